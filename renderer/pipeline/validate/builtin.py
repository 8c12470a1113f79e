"""The built-in validator: jsonschema with the schemas of kubeconform.

It validates without kubeconform, and finds the fields of kubeconform's refusals.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from renderer.errors import MOST_HINTS, Finding, RollstepError, did_you_mean
from renderer.kubernetes.manifest import FieldPath, Source, field_path
from renderer.pipeline.validate.custom_resources import as_list
from renderer.pipeline.validate.kubeconform import Verdict
from renderer.pipeline.validate.names import ANNOTATION_KEY, DNS_SUBDOMAIN, LABEL_KEY, LABEL_VALUE, WORDS
from renderer.pipeline.validate.removed import REMOVED
from renderer.pipeline.validate.schemas import schema_path

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

TYPES = {dict: "object", list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
TYPE_WORDS = {"array": "list"}

_NAMES = {
    "apiVersion": (re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[a-z][a-z0-9]{0,62}"), "the version of an API"),
    "kind": (re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}"), "the name of a kind"),
}
"""The names of API versions and kinds (DNS names; ``validateCustomResourceDefinition`` of v0.34)."""


class Problem(NamedTuple):
    """A problem of a document, its path, and a hint."""

    path: FieldPath
    message: str
    hint: str = ""


class Document(NamedTuple):
    """The verdict on a document, and its findings."""

    verdict: Verdict
    findings: tuple[Finding, ...]


def check(files: Mapping[str, str], schemas: Path) -> Iterator[Document]:
    """Yield the verdict on each document of ``files`` (text by name); it agrees with ``kubeconform -strict``.

    ``schemas`` is a folder of ``schema_folder``.
    """
    from renderer.kubernetes.yaml.reader import load_documents

    for file, text in files.items():
        try:
            documents = load_documents(text, file)
        except RollstepError as error:
            yield Document(Verdict(file, "", "", "", "invalid", str(error)), error.findings)
            continue
        for document in documents:
            for value, path in _items(document.value):
                yield _validate(value, path, document.source, schemas)


def _items(value: Any) -> Iterator[tuple[Any, FieldPath]]:
    """Yield the objects of a ``List``, or ``value`` itself, with their paths; nothing for an empty document."""
    if isinstance(value, dict) and str(value.get("kind")).lower() == "list":
        items = value.get("items")
        yield from ((item, ("items", index)) for index, item in enumerate(items if isinstance(items, list) else ()))
    elif value is not None:
        yield value, ()


def _validate(value: Any, path: FieldPath, source: Source, schemas: Path) -> Document:
    names = _names(value)
    problems = _shape(value)
    if not problems:
        validator = _validator(schemas / schema_path(*names[:2]))
        problems = _without_schema(value) if validator is None else _problems(validator, value)
        if validator is None and not problems:
            return Document(Verdict(source.file, *names, "skipped"), ())
    findings = tuple(
        Finding(source.file, *source.position(path + within), field_path(path + within), message, hint)
        for within, message, hint in problems
    )
    message = "; ".join(finding.text() for finding in findings)
    return Document(Verdict(source.file, *names, "invalid" if findings else "valid", message), findings)


def _names(value: Any) -> tuple[str, str, str]:
    """Return apiVersion, kind and name, each empty where it is missing or not a string."""
    body = value if isinstance(value, dict) else {}
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    api_version, kind, name = (
        part if isinstance(part, str) else "" for part in (body.get("apiVersion"), body.get("kind"), name)
    )
    return api_version, kind, name


def _shape(value: Any) -> list[Problem]:
    """Return why ``value`` is not a Kubernetes object; empty for one."""
    if not isinstance(value, dict):
        return [Problem((), f"is a {_type(value)}, expected an object with apiVersion and kind")]
    keys = ("apiVersion", "kind")
    missing = [Problem((), f"{key} is missing") for key in keys if value.get(key) in (None, "")]
    wrong = [
        Problem((key,), f"is a {_type(value[key])}, expected string")
        for key in keys
        if not isinstance(value.get(key, ""), str | None)
    ]
    # They become a part of the schema's path, which must not leave the folder.
    invalid = [
        Problem((key,), f"cannot be {wanted}")
        for key, (form, wanted) in _NAMES.items()
        if isinstance(value.get(key), str) and value[key] and not form.fullmatch(value[key])
    ]
    return missing + wrong + invalid


def _without_schema(value: Mapping[str, Any]) -> list[Problem]:
    """Return the problems of an object of a kind that the schemas do not have."""
    removal = REMOVED.get((value["apiVersion"], value["kind"]))
    if removal is None:
        return _metadata(value)
    hint = f"use {removal.instead}" if removal.instead else "take it out"
    message = f"Kubernetes has served no {value['kind']} of {value['apiVersion']} since {removal.version}"
    return [Problem(("apiVersion",), message, hint), *_metadata(value)]


def _metadata(value: Mapping[str, Any]) -> list[Problem]:
    """Return the problems of the metadata of an object without a schema: types, names, labels and annotations."""
    metadata = value.get("metadata")
    if metadata is None:
        return []
    if not isinstance(metadata, dict):
        return [Problem(("metadata",), f"is a {_type(metadata)}, expected object")]
    parts = ((key, metadata.get(key)) for key in ("name", "namespace", "generateName"))
    wrong = ((key, part) for key, part in parts if isinstance(part, dict | list))
    found = [Problem(("metadata", key), f"is a {_type(part)}, expected string") for key, part in wrong]
    texts: list[tuple[FieldPath, str, Any]] = [(("name",), DNS_SUBDOMAIN, metadata.get("name"))]
    for field, pattern in (("labels", LABEL_KEY), ("annotations", ANNOTATION_KEY)):
        items = metadata.get(field)
        for key, text in items.items() if isinstance(items, dict) else ():
            texts.append(((field, key), pattern, key))
            texts += [((field, key), LABEL_VALUE, text)] if field == "labels" else []
    return found + [
        Problem(("metadata", *path), WORDS[pattern])
        for path, pattern, text in texts
        if isinstance(text, str) and not re.search(pattern, text)
    ]


@cache
def _validator(path: Path) -> Draft202012Validator | None:
    """Return the validator of the schema in ``path``; None for a missing file."""
    try:
        schema = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema))


def _problems(validator: Draft202012Validator, value: Any) -> list[Problem]:
    # They name types and fields only: jsonschema's own messages have the value, which may be a Secret's.
    found = {problem for error in validator.iter_errors(value) for problem in _explain(error)}
    return sorted(found, key=lambda problem: ([str(part) for part in problem.path], problem.message))


def _explain(error: ValidationError) -> Iterator[Problem]:
    path = tuple(error.absolute_path)
    found: Any = error.instance
    schema: Any = error.schema
    expected: Any = error.validator_value
    if "propertyNames" in error.absolute_schema_path:
        path = (*path, found)
    match error.validator:
        case "additionalProperties":
            known = schema.get("properties", {})
            for number, name in enumerate(name for name in found if name not in known):
                near = did_you_mean(str(name), known) if number < MOST_HINTS else ""
                yield Problem((*path, name), "unknown field", near)
        case "required":
            for name in expected:
                if name not in found:
                    yield Problem(path, f"{name} is missing")
        case "type":
            yield Problem(path, f"is a {_type(found)}, expected {_expected([schema])}")
        case "oneOf" | "anyOf" if any("type" in each for each in expected):
            yield Problem(path, f"is a {_type(found)}, expected {_expected(expected)}")
        case "pattern":
            yield Problem(path, WORDS.get(expected, f"does not match {expected}"))
        case "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties":
            yield Problem(path, f"is too small ({error.validator} is {expected})")
        case "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties":
            yield Problem(path, f"is too large ({error.validator} is {expected})")
        case "enum":
            yield Problem(path, f"is {found!r}, expected {' or '.join(repr(value) for value in expected)}")
        case other:
            yield Problem(path, f"does not fit the schema ({other})")


def _expected(schemas: Iterable[Mapping[str, Any]]) -> str:
    """Return the types that ``schemas`` allow, as text, without null, which most allow."""
    types = [kind for schema in schemas for kind in as_list(schema.get("type", "another value"))]
    return " or ".join(dict.fromkeys(TYPE_WORDS.get(kind, kind) for kind in types if kind != "null"))


def _type(value: Any) -> str:
    return TYPES.get(type(value), "null")
