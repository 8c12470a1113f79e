"""Schemas of custom resources: the traffic routers', which rollstep ships, and the user's own.

The routers' are in ``data/``, extracted from their CustomResourceDefinitions.  Unknown fields, which the API server
would drop, are refused here, as for Kubernetes' own kinds.  Rules in CEL (``x-kubernetes-validations``) are left to the
API server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from renderer.errors import Finding, RollstepError

Schema = dict[str, Any]

SUFFIXES = (".yaml", ".yml", ".json")
DROPPED = frozenset({"$id", "$schema", "default", "description", "example", "format", "title", "externalDocs"})
"""Keywords that restrict nothing (``format`` is an annotation in draft 2020-12)."""
ONE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "prefixItems")
SEVERAL = ("allOf", "anyOf", "oneOf")
NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
FACTS = ("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource")
INT_OR_STRING, PRESERVE, EMBEDDED = FACTS
BOUNDS = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}
CATALOGUE = re.compile(r"([a-z0-9]+)_(v[0-9][a-z0-9]*)\.json")
"""``<group>/<kind>_<version>.json``, the file names of catalogues of such schemas."""
VERSION = re.compile(r"v[0-9]+((alpha|beta)[0-9]+)?")
UNIT = "(ns|us|µs|ms|s|m|h)"
LINEAR: Mapping[str, str] = {
    "^[!-~]+([\\t ]?[!-~]+)*$": "^[!-~]+([\\t ][!-~]+)*$",
    f"^([0-9]+{UNIT}?)+$": f"^[0-9]+({UNIT}[0-9]+)*{UNIT}?$",
}
"""Patterns for which Python's ``re`` takes exponential time, with equivalent ones that take linear time."""


class CustomKind(NamedTuple):
    """A kind of custom object, with the schema of the whole object."""

    api_version: str
    kind: str
    schema: Schema


def packaged_files() -> list[bytes]:
    """Return the contents of the files of routers' kinds, sorted by file name."""
    from importlib.resources import files

    found = sorted(files(__package__).joinpath("data").iterdir(), key=lambda item: item.name)
    return [item.read_bytes() for item in found if item.name.endswith(".json")]


def packaged(metadata: Schema) -> Iterator[CustomKind]:
    """Yield the kinds of the traffic routers; ``metadata`` is the schema of an object's metadata."""
    for text in packaged_files():
        for found in json.loads(text)["kinds"]:
            for version in found["versions"]:
                yield of_definition(found["group"], version, found["kind"], found["schema"], metadata)


def of_definition(group: str, version: str, kind: str, schema: Schema, metadata: Schema) -> CustomKind:
    """Return the kind with this ``openAPIV3Schema`` in its CustomResourceDefinition."""
    api_version = f"{group}/{version}"
    closed = strict({"type": "object", **schema})
    closed["properties"] = {
        **closed.get("properties", {}),
        "apiVersion": {"type": "string", "enum": [api_version]},
        "kind": {"type": "string", "enum": [kind]},
        "metadata": metadata,
    }
    closed["required"] = sorted({*closed.get("required", ()), "apiVersion", "kind"} - {"metadata"})
    return CustomKind(api_version, kind, closed)


def strict(schema: Schema) -> Schema:
    """Return a structural schema as JSON schema that refuses unknown fields."""
    result: Schema = _plain(schema)
    if schema.get(INT_OR_STRING):
        result.pop("anyOf", None)
        result["type"] = ["integer", "string"]
    for keyword, bound in BOUNDS.items():
        # In OpenAPI 3.0 an exclusive bound is a flag of the bound, in JSON schema another bound.
        if isinstance(result.get(keyword), bool) and result.pop(keyword) and bound in result:
            result[keyword] = result.pop(bound)
    properties = schema.get("properties", {})
    if isinstance(schema.get("additionalProperties"), dict):
        result["additionalProperties"] = strict(schema["additionalProperties"])
    if isinstance(schema.get("items"), dict):
        result["items"] = strict(schema["items"])
    if properties or schema.get("type") == "object":
        result["properties"] = {name: strict(child) for name, child in properties.items()}
        result = _closed(schema, result)
    if schema.get("nullable") and "type" in result:
        result["type"] = [*as_list(result["type"]), "null"]
        if "enum" in result:
            result["enum"] = [*result["enum"], None]
    return result


def _closed(schema: Schema, result: Schema) -> Schema:
    """Refuse unknown fields, unless the API server keeps them; do not require fields with defaults."""
    properties = schema.get("properties", {})
    if schema.get(EMBEDDED):
        own: Schema = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
        result["properties"] = {**own, **result["properties"]}
    if "additionalProperties" not in schema and not schema.get(PRESERVE):
        result["additionalProperties"] = False
    required = [name for name in schema.get("required", ()) if "default" not in properties.get(name, {})]
    result.pop("required", None)
    return {**result, "required": required} if required else result


def _plain(schema: Any) -> Any:
    """Return a schema without the keywords that restrict nothing; combined schemas stay open."""
    if not isinstance(schema, dict):
        return schema
    result: Schema = {}
    for keyword, value in schema.items():
        if keyword in NAMED and isinstance(value, dict):
            result[keyword] = {name: _plain(child) for name, child in value.items()}
        elif keyword in SEVERAL or (isinstance(value, list) and keyword in ONE):
            result[keyword] = [_plain(child) for child in value]
        elif keyword in ONE:
            result[keyword] = _plain(value)
        elif keyword == "pattern":
            result[keyword] = LINEAR.get(value, value)
        elif keyword not in DROPPED and keyword != "nullable" and not keyword.startswith("x-"):
            result[keyword] = value
    return result


def as_list(value: Any) -> list[Any]:
    """Return a list as it is, and any other value in a list."""
    return value if isinstance(value, list) else [value]


def user_files(paths: Sequence[Path]) -> list[tuple[Path, bytes]]:
    """Return the schema files at or below ``paths`` with contents, sorted; raise RollstepError for unreadable ones."""
    found: list[tuple[Path, bytes]] = []
    for path in paths:
        try:
            names = sorted(item for item in path.rglob("*") if item.suffix in SUFFIXES) if path.is_dir() else [path]
            found += [(name, name.read_bytes()) for name in names if name == path or name.is_file()]
        except OSError as error:
            message = f"the schemas cannot be read: {error.strerror or error}"
            raise _refused(path, message, "see the setting schemas") from error
    return found


def user_schemas(files: Sequence[tuple[Path, bytes]], metadata: Schema) -> Iterator[CustomKind]:
    """Yield the kinds of the user's CustomResourceDefinitions and JSON schemas; other documents are skipped.

    Raises RollstepError with the findings of all files.
    """
    findings: list[Finding] = []
    for path, text in files:
        try:
            yield from _of_file(path, text, metadata)
        except RollstepError as error:
            findings += error.findings
    if findings:
        raise RollstepError(findings)


def _of_file(path: Path, text: bytes, metadata: Schema) -> Iterator[CustomKind]:
    from renderer.kubernetes.yaml.reader import load_documents

    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refused(path, "is not UTF-8") from error
    for document in load_documents(decoded, _shown(path)):
        body = document.value
        if not isinstance(body, dict):
            continue
        if body.get("kind") == "CustomResourceDefinition":
            yield from _of_definition(path, body, metadata)
        elif path.suffix == ".json" and "apiVersion" not in body:
            yield _of_json_schema(path, body)


def _of_definition(path: Path, body: Schema, metadata: Schema) -> Iterator[CustomKind]:
    spec: Any = body.get("spec")
    try:
        group, kind, versions = spec["group"], spec["names"]["kind"], spec["versions"]
        for version in versions:
            schema = version["schema"]["openAPIV3Schema"]
            yield of_definition(*_checked(path, group, version["name"], kind), schema, metadata)
    except (AttributeError, KeyError, TypeError) as error:
        message = "is a CustomResourceDefinition without group, kind, versions or their schemas"
        raise _refused(path, message, "expected one of apiextensions.k8s.io/v1") from error


def _of_json_schema(path: Path, body: Schema) -> CustomKind:
    named: Any = body.get("x-kubernetes-group-version-kind")
    catalogued = CATALOGUE.fullmatch(path.name)
    if isinstance(named, list) and len(named) == 1 and isinstance(named[0], dict):
        group, version, kind = (named[0].get(key) for key in ("group", "version", "kind"))
    elif catalogued:
        group, version, kind = path.parent.name, catalogued[2], catalogued[1]
    else:
        hint = "name the file GROUP/KIND_VERSION.json, or write x-kubernetes-group-version-kind into it"
        raise _refused(path, "is a JSON schema of an unknown kind", hint)
    foreign = [target for target in _references(body) if not target.startswith("#")]
    if foreign:
        raise _refused(path, f"refers to {foreign[0]}", "put the referenced schema into the file itself")
    group, version, kind = _checked(path, group, version, kind)
    return CustomKind(f"{group}/{version}", kind, _plain(body))


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for child in value.values():
            yield from _references(child)
    elif isinstance(value, list):
        for child in value:
            yield from _references(child)


def _checked(path: Path, group: Any, version: Any, kind: Any) -> tuple[str, str, str]:
    """Return the names of a kind, which are valid parts of a file name; raise RollstepError for others."""
    right = isinstance(group, str) and re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", group)
    right = right and isinstance(version, str) and VERSION.fullmatch(version)
    if not (right and isinstance(kind, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", kind)):
        raise _refused(path, f"names no kind of object: {group}/{version} {kind}")
    return group, version, kind


def _refused(path: Path, message: str, hint: str = "") -> RollstepError:
    return RollstepError([Finding(_shown(path), 0, 0, "", message, hint)])


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
