"""Values as canonical YAML text, which every reader takes for the same values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from renderer.yaml_scalars import double_quoted, is_literal, scalar_text


def dump(value: Any) -> str:
    """Return ``value`` as canonical YAML in block style, keys in the order that they have.

    It reads back as the same value under YAML 1.1 and 1.2.  Raises ValueError for what JSON does not have.
    """
    if isinstance(value, dict) and value:
        return "".join(_mapping_lines(value, ""))
    if isinstance(value, list | tuple) and value:
        return "".join(_sequence_lines(value, ""))
    return _inline(value, "")


def _mapping_lines(value: Mapping[Any, Any], indent: str) -> Iterator[str]:
    for key, item in value.items():
        name = scalar_text(str(key))
        # A reader looks for the colon of a simple key on the same line and within 1024 characters.
        head = f"{indent}{name}:" if len(name) < 1000 else f"{indent}? {name}\n{indent}:"
        if isinstance(item, dict) and item:
            yield f"{head}\n"
            yield from _mapping_lines(item, indent + "  ")
        elif isinstance(item, list | tuple) and item:
            yield f"{head}\n"
            yield from _sequence_lines(item, indent)
        else:
            yield f"{head} {_inline(item, indent + '  ')}"


def _sequence_lines(value: list[Any] | tuple[Any, ...], indent: str) -> Iterator[str]:
    for item in value:
        if isinstance(item, dict) and item:
            lines = "".join(_mapping_lines(item, indent + "  "))
            yield f"{indent}- {lines[len(indent) + 2 :]}"
        elif isinstance(item, list | tuple) and item:
            lines = "".join(_sequence_lines(item, indent + "  "))
            yield f"{indent}- {lines[len(indent) + 2 :]}"
        else:
            yield f"{indent}- {_inline(item, indent + '  ')}"


def _inline(value: Any, indent: str) -> str:
    """Return a value that is not a filled mapping or sequence, with the line end; a literal block spans lines."""
    if isinstance(value, str):
        if not is_literal(value):
            return scalar_text(value) + "\n"
        body = value.rstrip("\n")
        end = len(value) - len(body)
        style = {0: "|-", 1: "|"}.get(end, "|+")
        lines = (f"{indent or '  '}{line}\n" if line else "\n" for line in body.split("\n"))
        return f"{style}\n{''.join(lines)}" + "\n" * (end - 1)
    if isinstance(value, dict):
        return "{}\n"
    if isinstance(value, list | tuple):
        return "[]\n"
    return scalar_text(value) + "\n"


def flow_scalar(value: Any) -> str:
    """Return a scalar that may stand anywhere, also within ``[]`` and ``{}``; raise ValueError for a collection."""
    if isinstance(value, dict | list | tuple):
        raise ValueError("is not a scalar")
    text = scalar_text(value)
    return double_quoted(value) if isinstance(value, str) and any(c in text for c in ",[]{}") else text
