"""Checks a ``rollstep.yaml`` against its JSON schema, and says in words what breaks it."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from renderer.errors import MOST_HINTS, Finding, did_you_mean
from renderer.kubernetes.manifest import FieldPath, Source, field_path

SCHEMA_FILE = "settings_schema.json"

_TYPES: Mapping[str, tuple[Any, str]] = {
    "array": (list, "a list"),
    "boolean": (bool, "true or false"),
    "integer": (int, "a whole number"),
    "number": (int | float, "a number"),
    "object": (Mapping, "a mapping"),
    "string": (str, "text"),
}
"""Types of JSON schema in Python and in words."""
_BOUNDS: Mapping[str, tuple[Callable[[Any, Any], bool], str]] = {
    "minimum": (operator.ge, "at least"),
    "exclusiveMinimum": (operator.gt, "more than"),
    "maximum": (operator.le, "at most"),
}


def schema_text() -> str:
    """Return the text of the JSON schema of ``rollstep.yaml``."""
    # Not importlib.resources, which is slow to import.
    return Path(__file__).with_name(SCHEMA_FILE).read_text(encoding="utf-8")


def check_settings(value: Any, source: Source) -> list[Finding]:
    """Return a finding for everything in the document ``value`` that the schema does not allow, sorted by position."""
    schema = json.loads(schema_text())
    if accepts(schema, value, schema["$defs"]):
        return []
    # Slow to import, and valid settings do not need it.
    from jsonschema import Draft202012Validator

    findings = set()
    hints = 0
    error: Any
    for error in Draft202012Validator(schema).iter_errors(value):
        # The finding about the type is enough.
        if error.validator == "oneOf" and not isinstance(error.instance, dict):
            continue
        path = tuple(error.absolute_path)
        description = _description(schema, error.absolute_schema_path)
        if error.validator == "additionalProperties":
            known = sorted(error.schema["properties"])
            unknown = [key for key in error.instance if key not in known]
            for key in unknown:
                hints += 1
                near = did_you_mean(key, known) if hints <= MOST_HINTS else ""
                hint = near or f"known are {', '.join(known)}"
                findings.add(_finding(source, (*path, key), "unknown key", hint))
        else:
            message, hint = _explanation(error.validator, error.validator_value, error.instance)
            findings.add(_finding(source, path, message, hint or description))
    return sorted(findings)


def accepts(schema: Mapping[str, Any], value: Any, definitions: Mapping[str, Any]) -> bool:
    """Return whether ``schema`` allows ``value``, by the keywords that our schema uses.

    Also false for any other keyword, for which ``check_settings`` needs jsonschema.
    """
    return all(_keeps(keyword, rule, schema, value, definitions) for keyword, rule in schema.items())


def _keeps(keyword: str, rule: Any, schema: Mapping[str, Any], value: Any, definitions: Mapping[str, Any]) -> bool:
    def allowed(by: Mapping[str, Any], part: Any) -> bool:
        return accepts(by, part, definitions)

    match keyword:
        case "$schema" | "$id" | "$defs" | "title" | "description" | "default":
            return True
        case "$ref":
            return allowed(definitions[rule.rpartition("/")[2]], value)
        case "type":
            return any(
                isinstance(value, _TYPES[name][0]) and (isinstance(value, bool) <= (name == "boolean"))
                for name in ([rule] if isinstance(rule, str) else rule)
            )
        case "enum":
            return value in rule and not isinstance(value, bool)
        case "const":
            return value is rule
        case "pattern":
            return not isinstance(value, str) or re.search(rule, value) is not None
        case "minimum" | "exclusiveMinimum" | "maximum":
            return isinstance(value, int | float) and _BOUNDS[keyword][0](value, rule)
        case "minItems":
            return not isinstance(value, list) or len(value) >= rule
        case "items":
            return not isinstance(value, list) or all(allowed(rule, item) for item in value)
        case "not":
            return not allowed(rule, value)
        case "oneOf":
            return sum(allowed(branch, value) for branch in rule) == 1
        case "anyOf":
            return any(allowed(branch, value) for branch in rule)
    return not isinstance(value, Mapping) or _mapping_keeps(keyword, rule, schema, value, definitions)


def _mapping_keeps(
    keyword: str, rule: Any, schema: Mapping[str, Any], value: Mapping[str, Any], definitions: Mapping[str, Any]
) -> bool:
    match keyword:
        case "properties":
            return all(accepts(rule[key], value[key], definitions) for key in rule if key in value)
        case "additionalProperties":
            others = [key for key in value if key not in schema.get("properties", {})]
            return not others if rule is False else all(accepts(rule, value[key], definitions) for key in others)
        case "propertyNames":
            return all(accepts(rule, key, definitions) for key in value)
        case "required":
            return all(key in value for key in rule)
        case "dependentSchemas":
            return all(accepts(rule[key], value, definitions) for key in rule if key in value)
    return False


def _explanation(keyword: str, rule: Any, instance: Any) -> tuple[str, str]:
    """Return the message and the hint, maybe empty, for a broken rule of the schema."""
    found = _shown(instance)
    match keyword:
        case "type":
            names = [rule] if isinstance(rule, str) else rule
            return f"expected {' or '.join(_TYPES[name][1] for name in names)}, found {found}", _type_hint(
                rule, instance
            )
        case "enum" | "const":
            allowed = rule if keyword == "enum" else [rule]
            hint = "put it in quotes" if isinstance(instance, float) else ""
            return f"expected {' or '.join(_shown(item) for item in allowed)}, found {found}", hint
        case "required":
            return f"{' and '.join(key for key in rule if key not in instance)} missing", ""
        case "anyOf":
            return f"command goes with {' or '.join(name for branch in rule for name in branch['required'])}", ""
        case "oneOf":
            names = [name for branch in rule for name in branch["required"]]
            given = [name for name in names if name in instance]
            return f"expected exactly one of {', '.join(names)}, found {' and '.join(given) or 'none'}", ""
        case "not":
            return f"{found} is a name that rollstep uses itself", "choose another name"
        case "minItems":
            return "expected at least one item, found none", ""
        case "minimum" | "exclusiveMinimum" | "maximum":
            return f"expected {_BOUNDS[keyword][1]} {rule}, found {found}", ""
        case _:
            hint = "write a path without . and .. that does not start with /" if "(?!/)" in str(rule) else ""
            return f"{found} is not allowed here", hint


def _type_hint(rule: str, instance: Any) -> str:
    if rule == "string" and isinstance(instance, int | float):
        return "put it in quotes"
    if rule == "string" and instance == {"folder": None}:
        return 'write "${folder}"'
    return "leave it out, or write {}" if instance is None and rule == "object" else ""


def _description(schema: Mapping[str, Any], schema_path: Sequence[str | int]) -> str:
    """Return the first sentence of the description of the setting whose rule is at ``schema_path``."""
    node: Any = schema
    text = ""
    for part in schema_path:
        # Some releases of jsonschema leave references out of the path.
        if part == "$ref":
            continue
        while isinstance(node, Mapping) and part not in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
            text = node.get("description", text)
        node = node[part]
        if isinstance(node, Mapping):
            text = node.get("description", text)
    return text.partition(". ")[0].removesuffix(".")


def _shown(value: Any) -> str:
    """Return a value for a message; of a collection only its type, since it may be long or private."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return json.dumps(value, ensure_ascii=False)


def _finding(source: Source, path: FieldPath, message: str, hint: str) -> Finding:
    return Finding(source.file, *source.position(path), field_path(path), message, hint)
