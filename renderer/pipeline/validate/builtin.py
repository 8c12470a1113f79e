"""The validator that needs no binary: the same schemas, read by jsonschema.

It judges where there is no kubeconform, and it says where in a document kubeconform's refusal comes from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Source, field_path
from renderer.pipeline.validate.kubeconform import Verdict
from renderer.pipeline.validate.schemas import schema_path

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

FieldPath = tuple[str | int, ...]
TYPES = {dict: "object", list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
WORDS = {"array": "list"}


_NAMES = {
    "apiVersion": (re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[a-z][a-z0-9]{0,62}"), "the version of an API"),
    "kind": (re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}"), "the name of a kind"),
}
"""What an API server may call its versions and kinds (DNS names; ``validateCustomResourceDefinition`` of v0.34)."""


class Problem(NamedTuple):
    """What is wrong in a document, where, and what to do about it."""

    path: FieldPath
    message: str
    hint: str = ""


class Document(NamedTuple):
    """A document's verdict and what it comes from."""

    verdict: Verdict
    findings: tuple[Finding, ...]


def check(files: Mapping[str, str], schemas: Path) -> Iterator[Document]:
    """Yield the verdict on each document of ``files`` (text by name), as ``kubeconform -strict`` gives it.

    ``schemas`` is a folder that ``schema_folder`` has made.
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
                yield _judge(value, path, document.source, schemas)


def _items(value: Any) -> Iterator[tuple[Any, FieldPath]]:
    """Yield the objects of a ``List`` and where they are, or ``value`` itself; nothing for an empty document."""
    if isinstance(value, dict) and str(value.get("kind")).lower() == "list":
        items = value.get("items")
        yield from ((item, ("items", index)) for index, item in enumerate(items if isinstance(items, list) else ()))
    elif value is not None:
        yield value, ()


def _judge(value: Any, path: FieldPath, source: Source, schemas: Path) -> Document:
    """Return the verdict on one object, which is at ``path`` of the document that was read from ``source``."""
    names = _names(value)
    problems = _shape(value)
    if not problems:
        validator = _validator(schemas / schema_path(*names[:2]))
        problems = _metadata(value) if validator is None else _problems(validator, value)
        if validator is None and not problems:
            return Document(Verdict(source.file, *names, "skipped"), ())
    findings = tuple(
        Finding(source.file, *source.position(path + within), field_path(path + within), message, hint)
        for within, message, hint in problems
    )
    message = "; ".join(finding.text() for finding in findings)
    return Document(Verdict(source.file, *names, "invalid" if findings else "valid", message), findings)


def _names(value: Any) -> tuple[str, str, str]:
    """Return apiVersion, kind and name; what is missing or no string is empty."""
    body = value if isinstance(value, dict) else {}
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    api_version, kind, name = (
        part if isinstance(part, str) else "" for part in (body.get("apiVersion"), body.get("kind"), name)
    )
    return api_version, kind, name


def _shape(value: Any) -> list[Problem]:
    """Return why ``value`` is no Kubernetes object at all; empty where it is one."""
    if not isinstance(value, dict):
        return [Problem((), f"is a {_type(value)}, expected an object with apiVersion and kind")]
    keys = ("apiVersion", "kind")
    missing = [Problem((), f"{key} is missing") for key in keys if value.get(key) in (None, "")]
    wrong = [
        Problem((key,), f"is a {_type(value[key])}, expected string")
        for key in keys
        if not isinstance(value.get(key, ""), str | None)
    ]
    # They name a schema's file as well, which must not lie elsewhere.
    none = [
        Problem((key,), f"cannot be {wanted}")
        for key, (form, wanted) in _NAMES.items()
        if isinstance(value.get(key), str) and value[key] and not form.fullmatch(value[key])
    ]
    return missing + wrong + none


def _metadata(value: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with the metadata of an object that there is no schema of, as kubeconform sees it."""
    metadata = value.get("metadata")
    if metadata is None:
        return []
    if not isinstance(metadata, dict):
        return [Problem(("metadata",), f"is a {_type(metadata)}, expected object")]
    texts = {("metadata", key): metadata.get(key) for key in ("name", "namespace", "generateName")}
    return [
        Problem(path, f"is a {_type(part)}, expected string")
        for path, part in texts.items()
        if isinstance(part, dict | list)
    ]


@cache
def _validator(path: Path) -> Draft202012Validator | None:
    """Return what validates against the schema in ``path``; None where there is no such file."""
    try:
        schema = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema))


def _problems(validator: Draft202012Validator, value: Any) -> list[Problem]:
    """Return everything that is wrong with ``value``, in the order of the paths.

    jsonschema's own messages hold the value, which may be a Secret's; these tell types and names.
    """
    found = {problem for error in validator.iter_errors(value) for problem in _explain(error)}
    return sorted(found, key=lambda problem: ([str(part) for part in problem.path], problem.message))


def _explain(error: ValidationError) -> Iterator[Problem]:
    """Yield what ``error`` says in the words of the fields."""
    path = tuple(error.absolute_path)
    found: Any = error.instance
    schema: Any = error.schema
    wanted: Any = error.validator_value
    match error.validator:
        case "additionalProperties":
            known = schema.get("properties", {})
            for name in found.keys() - known.keys():
                near = get_close_matches(str(name), known, n=1)
                yield Problem((*path, name), "unknown field", f"did you mean {near[0]}?" if near else "")
        case "required":
            for name in wanted:
                if name not in found:
                    yield Problem(path, f"{name} is missing")
        case "type":
            yield Problem(path, f"is a {_type(found)}, expected {_expected([schema])}")
        case "oneOf" | "anyOf" if any("type" in each for each in wanted):
            yield Problem(path, f"is a {_type(found)}, expected {_expected(wanted)}")
        case "pattern":
            yield Problem(path, f"does not match {wanted}")
        case "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties":
            yield Problem(path, f"is too small ({error.validator} is {wanted})")
        case "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties":
            yield Problem(path, f"is too large ({error.validator} is {wanted})")
        case "enum":
            yield Problem(path, f"is {found!r}, expected {' or '.join(repr(value) for value in wanted)}")
        case other:
            yield Problem(path, f"does not fit the schema ({other})")


def _expected(schemas: Iterable[Mapping[str, Any]]) -> str:
    """Return the types that ``schemas`` allow, in words; that most take null goes without saying."""
    types = [kind for schema in schemas for kind in _as_list(schema.get("type", "another value"))]
    return " or ".join(dict.fromkeys(WORDS.get(kind, kind) for kind in types if kind != "null"))


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _type(value: Any) -> str:
    """Return the JSON type of ``value`` in words."""
    return TYPES.get(type(value), "null")
