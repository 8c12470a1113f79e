"""Values as canonical YAML text, which every reader takes for the same values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from renderer.kubernetes.yaml.writer import double_quoted, is_literal, scalar_text


def dump(value: Any) -> str:
    """Return ``value`` as canonical YAML in block style, keys in the order that they have.

    It reads back as the same value under YAML 1.1 and 1.2.  Raises ValueError for what JSON does not have.
    """
    lines: list[str] = []
    if isinstance(value, dict) and value:
        _add_mapping(lines, value, "", "")
    elif isinstance(value, list | tuple) and value:
        _add_sequence(lines, value, "", "")
    else:
        return _inline(value, "")
    return "".join(lines)


def _add_mapping(lines: list[str], value: Mapping[Any, Any], indent: str, before: str) -> None:
    """Add a mapping's lines; ``before`` is what stands before its first key, ``indent`` before the others."""
    inner = indent + "  "
    for key, item in value.items():
        name = scalar_text(str(key))
        # A reader looks for the colon of a simple key on the same line and within 1024 characters.
        head = f"{before}{name}:" if len(name) < 1000 else f"{before}? {name}\n{indent}:"
        before = indent
        if isinstance(item, dict) and item:
            lines.append(f"{head}\n")
            _add_mapping(lines, item, inner, inner)
        elif isinstance(item, list | tuple) and item:
            lines.append(f"{head}\n")
            _add_sequence(lines, item, indent, indent)
        else:
            lines.append(f"{head} {_inline(item, inner)}")


def _add_sequence(lines: list[str], value: list[Any] | tuple[Any, ...], indent: str, before: str) -> None:
    """Add a sequence's lines; ``before`` is what stands before its first item, ``indent`` before the others."""
    inner = indent + "  "
    for item in value:
        if isinstance(item, dict) and item:
            _add_mapping(lines, item, inner, f"{before}- ")
        elif isinstance(item, list | tuple) and item:
            _add_sequence(lines, item, inner, f"{before}- ")
        else:
            lines.append(f"{before}- {_inline(item, inner)}")
        before = indent


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
