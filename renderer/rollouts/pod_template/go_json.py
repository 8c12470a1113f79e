"""The JSON of a pod template as Go's ``encoding/json`` writes it, with the types of the controller's build.

Each Go type has a function from a JSON value to the text that Go writes after reading the value into the type: without
unknown fields, with the zero value for null.  The functions are built from the tables on first use.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from json.encoder import encode_basestring
from typing import Any

from renderer.kubernetes.go_json import escape, go_json
from renderer.rollouts.pod_template.quantity import canonical_quantity
from renderer.rollouts.pod_template.table import Row, go_types

Encoder = Callable[[Any], str]

ROOT = "core/v1.PodTemplateSpec"
INT32, INT64 = 2**31, 2**63

_NULLABLE = ("*", "[]", "map ", "bytes")
_EMPTY = {"string": '""', "bytes": '""', "bool": "false", "int32": "0", "int64": "0"}


class Mismatch(Exception):  # noqa: N818 - canonical_json turns it into a RollstepError
    """A value that Go cannot read into the type of its field."""

    def __init__(self, value: Any, expected: str) -> None:
        super().__init__()
        self.value, self.expected = value, expected
        self.path: list[str | int] = []
        """Keys and indexes, the innermost first."""


@cache
def encoder(version: str, type_name: str = ROOT) -> Encoder:
    """Return the function that writes a Go type, and raises ``Mismatch`` for values of another."""
    if type_name in _SCALARS:
        return _SCALARS[type_name]
    if type_name.startswith("*"):
        return encoder(version, type_name[1:])
    if type_name.startswith("[]"):
        item = type_name[2:]
        return _list(lambda: encoder(version, item), _zero(version, item))
    if type_name.startswith("map "):
        item = type_name[4:]
        return _map(lambda: encoder(version, item), _zero(version, item))
    return _struct(version, type_name)


def _zero(version: str, type_name: str) -> str:
    """Return the text of a type's zero value, which replaces null in a list or map."""
    if type_name.startswith(_NULLABLE):
        return "null"
    return _EMPTY[type_name] if type_name in _EMPTY else encoder(version, type_name)(None)


def _list(item: Callable[[], Encoder], zero: str) -> Encoder:
    def write(value: Any) -> str:
        if not isinstance(value, list):
            raise Mismatch(value, "a list")
        encode, texts = item(), []
        try:
            for element in value:
                texts.append(zero if element is None else encode(element))
        except Mismatch as mismatch:
            mismatch.path.append(len(texts))
            raise
        return f"[{','.join(texts)}]"

    return write


def _map(item: Callable[[], Encoder], zero: str) -> Encoder:
    def write(value: Any) -> str:
        if not isinstance(value, dict):
            raise Mismatch(value, "a map")
        encode, texts, key = item(), [], ""
        try:
            for key in sorted(value):
                element = value[key]
                texts.append(f"{_string(key)}:{zero if element is None else encode(element)}")
        except Mismatch as mismatch:
            mismatch.path.append(key)
            raise
        return "{" + ",".join(texts) + "}"

    return write


Field = tuple[str, str, Encoder, str, str]
"""JSON name, name as written by Go, function of the value, text that is left out, text of a missing value."""


def _struct(version: str, type_name: str) -> Encoder:
    fields: list[Field] = []

    def write(value: Any) -> str:
        if value is None:
            value = {}
        elif not isinstance(value, dict):
            raise Mismatch(value, "an object")
        if not fields:
            fields.extend(_field(version, row) for row in _rows(version, type_name))
        texts, name, get = [], "", value.get
        try:
            for name, prefix, encode, empty, missing in fields:
                element = get(name)
                if element is None:
                    if missing:
                        texts.append(prefix + missing)
                else:
                    text = encode(element)
                    if text != empty:
                        texts.append(prefix + text)
        except Mismatch as mismatch:
            mismatch.path.append(name)
            raise
        return "{" + ",".join(texts) + "}"

    return write


def _rows(version: str, type_name: str) -> list[Row]:
    rows: list[Row] = []
    for row in go_types(version)[type_name]:
        rows += _rows(version, row[1]) if "inline" in row else [row]
    return rows


def _field(version: str, row: Row) -> Field:
    """Return how a field is written.

    ``omitempty`` leaves out false, 0, "", nil pointers, and empty lists and maps, but not structs; ``omitzero`` leaves
    out zero structs.
    """
    name, type_name, *options = row
    encode, missing, empty = encoder(version, type_name), _zero(version, type_name), ""
    if "omitempty" in options and (type_name in _EMPTY or type_name.startswith(_NULLABLE)):
        missing, empty = "", _empty(type_name)
    if "omitzero" in options:
        if type_name != "!meta/v1.Time":
            raise ValueError(f"{name}: omitzero is known for times only, not for {type_name}")
        missing, empty = "", "null"
    return name, f'"{name}":', encode, empty, missing


def _empty(type_name: str) -> str:
    if type_name.startswith("[]"):
        return "[]"
    if type_name.startswith("map "):
        return "{}"
    return _EMPTY.get(type_name, "")


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise Mismatch(value, "a string")
    return escape(encode_basestring(value))


def _bool(value: Any) -> str:
    if not isinstance(value, bool):
        raise Mismatch(value, "true or false")
    return "true" if value else "false"


def _integer(limit: int) -> Encoder:
    def write(value: Any) -> str:
        # The API server writes a float such as 1.0 as 1.
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not int or not -limit <= value < limit:
            raise Mismatch(value, f"a whole number from {-limit} to {limit - 1}")
        return str(value)

    return write


_int32 = _integer(INT32)


def _int_or_string(value: Any) -> str:
    if isinstance(value, str):
        return _string(value)
    return "0" if value is None else _int32(value)


def _quantity(value: Any) -> str:
    if value is None:
        return '"0"'
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = _number(value)
    if not isinstance(value, str):
        raise Mismatch(value, "a quantity such as 100m or 512Mi")
    try:
        return f'"{canonical_quantity(value)}"'
    except ValueError:
        raise Mismatch(value, "a quantity such as 100m or 512Mi") from None


def _number(value: float) -> str:
    """Return a number as Go writes it: unlike Python, without an exponent from 1e-6."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e21):
        return str(int(value))
    mantissa, _, exponent = repr(value).partition("e")
    if not exponent:
        return mantissa
    if 1e-6 <= abs(value) < 1e-4:
        return f"{value:.{len(mantissa.replace('.', '').lstrip('-')) - 1 - int(exponent)}f}"
    return f"{mantissa}e{exponent[0]}{int(exponent[1:])}"


def _time(value: Any) -> str:
    if value is None:
        return "null"
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Mismatch(value, "a time such as 2026-01-31T12:00:00Z")
    return f'"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"'


def _bytes(value: Any) -> str:
    try:
        return f'"{base64.b64encode(base64.b64decode(value, validate=True)).decode()}"'
    except (TypeError, ValueError, binascii.Error):
        raise Mismatch(value, "bytes in base64") from None


_SCALARS: dict[str, Encoder] = {
    "string": _string,
    "bool": _bool,
    "int32": _int32,
    "int64": _integer(INT64),
    "bytes": _bytes,
    "!api/resource.Quantity": _quantity,
    "!util/intstr.IntOrString": _int_or_string,
    "!meta/v1.Time": _time,
    "!meta/v1.FieldsV1": go_json,
}
