"""ruamel.yaml's round trip, which keeps comments and quotes, for changes that cannot be made in place."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

from renderer.kubernetes.yaml.layout import Layout
from renderer.kubernetes.yaml.writer import is_plain


def quoted(value: Any) -> Any:
    """Return plain data with quotes for every text that some reader would take for something else."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if isinstance(value, dict):
        return {quoted(key): quoted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [quoted(item) for item in value]
    return DoubleQuotedScalarString(value) if isinstance(value, str) and not is_plain(value) else value


def round_trip(text: str, document_index: int, change: Callable[[Any], None], layout: Layout) -> str | None:
    """Return ``text`` with ``change`` made to one of its documents that are not empty; None if that fails."""
    # ruamel.yaml is slow to import, and edits rarely need it.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 1_000_000
    yaml.indent(mapping=layout.step, sequence=layout.offset + 2, offset=layout.offset)
    yaml.explicit_start = text.lstrip().startswith("---")
    stream = StringIO()
    try:
        documents = list(yaml.load_all(text.replace("\r\n", "\n")))
        change([document for document in documents if document is not None][document_index])
        yaml.dump_all(documents, stream)
    except (YAMLError, LookupError, TypeError, ValueError, AttributeError, NotImplementedError):
        return None
    return stream.getvalue().replace("\n", layout.newline)
