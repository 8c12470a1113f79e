"""What Jinja has compiled of rollstep's own templates, kept where the interpreter keeps what it has compiled (shell).

It is code, as a ``.pyc`` file is, so it lies beside these, where whoever may write may change the program as well: not
in the user's cache, which a pipeline may have from somebody else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from importlib.util import cache_from_source
from io import BytesIO
from typing import Any

from jinja2 import compiler
from jinja2.bccache import Bucket, BytecodeCache

from renderer.pipeline.write.journal import store


class CompiledTemplates(BytecodeCache):
    """Keeps templates that were compiled with ``syntax``; a file of it may be deleted or damaged at any time."""

    def __init__(self, syntax: Mapping[str, Any]) -> None:
        """Take the options of the environment, which what is compiled depends on, beside Jinja itself."""
        made_by = os.stat(compiler.__file__)
        self._guard = repr((made_by.st_size, made_by.st_mtime_ns, sorted(syntax.items()))).encode()

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        """Return the name of a template: they are all of one folder."""
        return name

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take what was compiled of a template, where that is whole."""
        with suppress(OSError, NotImplementedError), open(_path(bucket.key), "rb") as file:
            digest, code = file.read(32), file.read()
            if sha256(self._guard + code).digest() == digest:
                bucket.load_bytecode(BytesIO(code))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled of a template, unless the interpreter is to keep nothing, or cannot."""
        if sys.dont_write_bytecode:
            return
        made = BytesIO()
        bucket.write_bytecode(made)
        code = made.getvalue()
        with suppress(OSError, NotImplementedError):
            path = _path(bucket.key)
            temporary = f"{path}.{os.getpid()}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            store(temporary, sha256(self._guard + code).digest() + code)
            os.replace(temporary, path)


def _path(name: str) -> str:
    return cache_from_source(os.path.join(os.path.dirname(__file__), name))
