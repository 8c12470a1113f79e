"""JSON read as strictly as Kubernetes reads it, with the position of every field."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from renderer.kubernetes.manifest import FieldPath
from renderer.kubernetes.yaml.scalars import Scalar, plain_scalar

MAX_DEPTH = 200
"""Levels of nesting; the deepest fields of Kubernetes' own types lie some 30 levels deep."""
MIN_VALUE_LIMIT = 140_000

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def value_limit(text: str) -> int:
    """Return how many keys and values ``text`` may have, also after aliases are expanded.

    The limit keeps a small text from filling the memory.  It never stops a long stream of manifests, which have some
    15 characters to each value.
    """
    return max(MIN_VALUE_LIMIT, len(text) // 7)


def line_and_column(text: str, index: int) -> tuple[int, int]:
    """Return the line and column of an index in ``text``, both from 1."""
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def load_json(text: str, scalar: Callable[[str], Scalar] = plain_scalar) -> Any:
    """Return the value of one JSON text; ``scalar`` converts each number.

    Raises ValueError for what is not JSON, and for what JSON leaves open: duplicate keys, numbers that are too large,
    lone surrogates, more than ``MAX_DEPTH`` levels.
    """

    def refuse_constant(text: str) -> Any:
        raise ValueError(f"{text} is not a number that JSON has")

    def number(text: str) -> Scalar:
        value = scalar(text)
        # YAML takes a number that is too large for text.
        if value == text and math.isinf(float(text)):
            raise ValueError(f"{text[:40]} is not a number that JSON has")
        return value

    try:
        value = json.loads(
            text, parse_float=number, parse_int=number, parse_constant=refuse_constant, object_pairs_hook=_unique
        )
    except RecursionError:
        raise ValueError(f"it is more than {MAX_DEPTH} levels deep") from None
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(value)
    if text.count(",") + text.count(":") + text.count("[") > value_limit(text):
        _check_size(value, value_limit(text))
    if "\\u" in text or not text.isascii():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"a lone surrogate: {error.reason}") from error
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r} stands twice")
    return result


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        collections = [item for item in level if isinstance(item, dict | list)]
        if not collections:
            return
        level = [child for item in collections for child in (item.values() if isinstance(item, dict) else item)]
    raise ValueError(f"it is more than {MAX_DEPTH} levels deep")


def _check_size(value: Any, limit: int) -> None:
    pending, count = [value], 0
    while pending:
        item = pending.pop()
        children = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        count += 1 + len(children) * isinstance(item, dict)  # keys count, as in YAML
        if count > limit:
            raise ValueError(f"it has more than {limit} keys and values")
        pending += children


class JsonPositions(Mapping[FieldPath, tuple[int, int]]):
    """Line and column of each field of a JSON text, found on first use; a field's position is that of its key."""

    def __init__(self, text: str, first_line: int = 1) -> None:
        self._text = text
        self._first_line = first_line
        self._indexes: dict[FieldPath, int] | None = None

    def __getitem__(self, path: FieldPath) -> tuple[int, int]:
        line, column = line_and_column(self._text, self._found()[path])
        return line + self._first_line - 1, column

    def __iter__(self) -> Iterator[FieldPath]:
        return iter(self._found())

    def __len__(self) -> int:
        return len(self._found())

    def _found(self) -> dict[FieldPath, int]:
        if self._indexes is None:
            self._indexes = _field_indexes(self._text)
        return self._indexes


def _field_indexes(text: str) -> dict[FieldPath, int]:
    indexes: dict[FieldPath, int] = {}
    path: list[str | int] = []
    at_key = False
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token in ("}", "]"):
            path.pop()
            at_key = False
        elif token == ",":
            at_key = isinstance(path[-1], str)
            path[-1] = path[-1] if isinstance(path[-1], str) else path[-1] + 1
        elif at_key and token != ":":
            path[-1] = json.loads(token)
            indexes[tuple(path)] = match.start()
            at_key = False
        elif token != ":":
            indexes.setdefault(tuple(path), match.start())
            if token in ("{", "["):
                at_key = token == "{"
                path.append("" if at_key else 0)
    return indexes
