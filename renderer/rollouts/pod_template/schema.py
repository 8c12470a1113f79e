"""Pruning, defaulting and validation of a custom resource, in one pass.

Source: k8s.io/apiextensions-apiserver v0.34.1, ``pkg/apiserver/schema``: ``defaulting/prunenulls.go`` and
``defaulting/algorithm.go`` (a null is dropped or becomes the default), ``pruning/algorithm.go``,
``listtype/validation.go``, and the messages of its validation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime
from typing import Any

from renderer.kubernetes.manifest import field_path

Path = tuple[str | int, ...]

KEYWORDS = {
    "additionalProperties",
    "default",
    "format",
    "items",
    "pattern",
    "properties",
    "required",
    "type",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-preserve-unknown-fields",
}
"""The supported keywords of a schema; the generator may write others, which need code here."""

BITS = {"int32": 32, "int64": 64}
LARGEST_FLOAT = 2**53 - 1
"""The API server does not read larger floats as integers."""
_DATE_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII)


class Outcome:
    """The (path, message, hint) of errors, and the paths of unknown fields."""

    def __init__(self) -> None:
        self.errors: list[tuple[Path, str, str]] = []
        self.unknown: list[Path] = []

    def wrong_type(self, value: Any, path: Path, expected: str) -> None:
        """Add the API server's error for a value of another type."""
        kind = json_type(value)
        message = f'Invalid value: "{kind}": {field_path(path)} in body must be of type {expected}: "{kind}"'
        self.errors.append((path, message, "" if isinstance(value, (dict, list)) else f"found {as_json(value)}"))


class Schema:
    """A structural schema; the schemas of its fields are built on first use."""

    __slots__ = (
        "_children",
        "_properties",
        "default",
        "defaults",
        "items",
        "keep",
        "list_keys",
        "list_type",
        "pattern",
        "required",
        "size",
        "types",
        "values",
    )

    def __init__(self, raw: Mapping[str, Any]) -> None:
        if unknown := set(raw) - KEYWORDS:
            raise ValueError(f"unsupported keywords of a schema: {', '.join(sorted(unknown))}")
        self.types: str = "integer,string" if raw.get("x-kubernetes-int-or-string") else raw.get("type", "")
        if raw.get("format") == "date-time":
            self.types = "date-time"
        self.size = BITS.get(raw.get("format", ""), 0)
        self.pattern: str | None = raw.get("pattern")
        self.default: Any = raw.get("default")
        self.required: list[str] = raw.get("required", [])
        self.keep: bool = raw.get("x-kubernetes-preserve-unknown-fields", False)
        self.list_type: str = raw.get("x-kubernetes-list-type", "")
        self.list_keys: list[str] = raw.get("x-kubernetes-list-map-keys", [])
        self._properties: Mapping[str, Any] = raw.get("properties", {})
        self._children: dict[str, Schema] = {}
        self.defaults = [name for name, inner in self._properties.items() if inner.get("default") is not None]
        self.items = Schema(raw["items"]) if "items" in raw else None
        self.values = Schema(raw["additionalProperties"]) if "additionalProperties" in raw else None

    def field(self, name: str) -> Schema | None:
        """Return the schema of a field or of a map's value; None for an unknown field."""
        child = self._children.get(name)
        if child is None and name in self._properties:
            child = self._children[name] = Schema(self._properties[name])
        return child or self.values

    def apply(self, value: Any, path: Path, out: Outcome, *, keep: bool = False) -> Any:
        """Return ``value`` as the API server stores it; add errors and unknown fields to ``out``.

        ``keep`` is true for an item of a list whose unknown fields are kept.
        """
        if isinstance(value, str):
            return self._scalar(value, path, out)
        if isinstance(value, dict):
            if self.types and self.types != "object":
                out.wrong_type(value, path, self.types)
            return self._object(value, path, out, keep or self.keep)
        if isinstance(value, list):
            if self.types and self.types != "array":
                out.wrong_type(value, path, self.types)
            return self._list(value, path, out, keep or self.keep)
        return self._scalar(value, path, out)

    def _object(self, value: Mapping[str, Any], path: Path, out: Outcome, keep: bool) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, inner in value.items():
            schema = self.field(key)
            if schema is None:
                if keep:
                    result[key] = inner
                else:
                    out.unknown.append((*path, key))
            elif inner is not None:
                result[key] = schema.apply(inner, (*path, key), out)
        for key in self.defaults:
            if key not in result and (schema := self.field(key)) is not None:
                result[key] = schema.apply(deepcopy(schema.default), (*path, key), out)
        for key in self.required:
            if key not in result:
                out.errors.append(((*path, key), "Required value", ""))
        return result

    def _list(self, value: list[Any], path: Path, out: Outcome, keep: bool) -> list[Any]:
        items = self.items
        if items is None:
            return value
        result = [items.apply(item, (*path, index), out, keep=keep) for index, item in enumerate(value)]
        if self.list_type in ("map", "set"):
            self._find_duplicates(result, path, out)
        return result

    def _find_duplicates(self, items: list[Any], path: Path, out: Outcome) -> None:
        seen: dict[str, int] = {}
        for index, item in enumerate(items):
            if self.list_type == "map":
                if not isinstance(item, dict):
                    continue
                item = {key: item[key] for key in self.list_keys if key in item}
            text = as_json(item)
            seen[text] = seen.get(text, 0) + 1
            if seen[text] == 2:
                out.errors.append(((*path, index), f"Duplicate value: {text}", ""))

    def _scalar(self, value: Any, path: Path, out: Outcome) -> Any:
        kind, types = json_type(value), self.types
        if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST_FLOAT and "integer" in types:
            kind, value = "integer", int(value)
        if types and kind not in types.split(",") and not (types == "date-time" and is_date_time(value)):
            if types == "date-time" and kind == "string":
                text = as_json(value)
                message = f"Invalid value: {text}: {field_path(path)} in body must be of type date-time: {text}"
                out.errors.append((path, message, "write it as 2026-01-31T12:00:00Z"))
            else:
                out.wrong_type(value, path, types)
        elif kind == "integer" and self.size and not -(2 ** (self.size - 1)) <= value < 2 ** (self.size - 1):
            message = f"Invalid value: {value}: does not fit into the {self.size} bits that the controller has for it"
            out.errors.append((path, message, ""))
        elif kind == "string" and self.pattern is not None and not re.search(self.pattern, value):
            message = f"Invalid value: {as_json(value)}: {field_path(path)} in body should match '{self.pattern}'"
            out.errors.append((path, message, ""))
        return value


def json_type(value: Any) -> str:
    """Return the JSON schema name of a value's type."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int():
            return "integer"
        case float():
            return "number"
        case list():
            return "array"
    return "object"


def as_json(value: Any) -> str:
    """Return a value on one line, keys sorted."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def is_date_time(value: Any) -> bool:
    """Return whether ``value`` is a valid time in RFC 3339."""
    match = _DATE_TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return False
    try:
        datetime.fromisoformat(f"{match[1]}T{match[2]}")
    except ValueError:
        return False
    return True
