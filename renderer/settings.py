"""``rollstep.yaml``: the settings of a repository, checked against a schema, and what they come to for one app."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from renderer.errors import Finding, RollstepError
from renderer.manifest import Source, field_path

SETTINGS_FILE = "rollstep.yaml"
SCHEMA_FILE = "settings_schema.json"
DEFAULT_TEMPLATES = "templates"

_PLACEHOLDER = re.compile(r"\$\{(app|environment|namespace|folder)\}")
_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "number": "a number",
    "object": "a mapping",
    "string": "text",
}
_MERGED = ("commit", "values")
"""Settings whose mappings are merged; every other one counts as a whole."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who writes or makes a commit."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class CommitSettings:
    """How commits are made; None leaves it to git's configuration."""

    author: Person | None = None
    committer: Person | None = None
    signoff: bool = False


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """Where an app's manifests come from; ``argv`` is the command that prints them, None for the folder's files."""

    argv: tuple[str, ...] | None = None
    timeout_seconds: float = 60


@dataclass(frozen=True, slots=True)
class AppSettings:
    """The settings of one app in one environment, defaults filled in.

    ``output`` is a path within the app's folder; ``templates`` is the folder of the user's templates, None where there
    is none.
    """

    environment: str = ""
    app: str = ""
    namespace: str = ""
    output: str = "rendered"
    templates: Path | None = None
    kubernetes_version: str = "1.34"
    controller_version: str = "1.9"
    commit: CommitSettings = CommitSettings()
    values: Mapping[str, Any] = field(default_factory=dict)
    source: SourceSettings = SourceSettings()


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a repository: ``body`` is what ``rollstep.yaml`` says, empty where there is none.

    ``environments_path`` is relative to ``root``, the repository's root.
    """

    root: Path
    environments_path: str = "environments"
    body: Mapping[str, Any] = field(default_factory=dict)
    source: Source = field(default_factory=lambda: Source(SETTINGS_FILE))

    def for_app(self, environment: str, app: str) -> AppSettings:
        """Return the settings of ``app`` in ``environment``; names that the file does not have get its defaults."""
        of_environment = self._mapping("environments", environment)
        levels = (
            self._mapping("defaults"),
            self._mapping("apps", app),
            of_environment,
            self._mapping("environments", environment, "apps", app),
        )
        merged = _merge_levels(levels)
        places = {"environment": environment, "app": app, "folder": f"{self.environments_path}/{environment}/{app}"}
        namespace = fill_placeholders(merged.get("namespace", ""), places)
        places["namespace"] = namespace
        default = AppSettings()
        return AppSettings(
            environment=environment,
            app=app,
            namespace=namespace,
            output=merged.get("output", default.output),
            templates=self._templates(merged.get("templates")),
            kubernetes_version=merged.get("kubernetesVersion", default.kubernetes_version),
            controller_version=merged.get("controllerVersion", default.controller_version),
            commit=_commit(merged.get("commit", {})),
            values=merged.get("values", {}),
            source=_source(merged.get("source", {"files": True}), places),
        )

    def _mapping(self, *path: str) -> Mapping[str, Any]:
        value: Any = self.body
        for key in path:
            value = value.get(key) or {}
        mapping: Mapping[str, Any] = value
        return mapping

    def _templates(self, configured: str | None) -> Path | None:
        if configured is not None:
            return self.root / configured
        folder = self.root / DEFAULT_TEMPLATES
        return folder if next(folder.glob("*.j2"), None) else None


def load_settings(root: Path) -> Settings:
    """Read ``rollstep.yaml`` in the repository's root; defaults where there is none.

    Raises :class:`RollstepError` with everything in it that the schema does not allow.
    """
    path = root / SETTINGS_FILE
    if not path.is_file():
        return Settings(root)
    from renderer.yaml_io import read_text

    return parse_settings(read_text(path, SETTINGS_FILE), root)


def parse_settings(text: str, root: Path) -> Settings:
    """Return the settings that the text of a ``rollstep.yaml`` gives; raises :class:`RollstepError`."""
    from renderer.yaml_io import load_documents

    documents = load_documents(text, SETTINGS_FILE)
    if not documents:
        return Settings(root)
    if len(documents) > 1:
        line, column = documents[1].source.position(())
        raise RollstepError([Finding(SETTINGS_FILE, line, column, "", "a second document, expected one")])
    value, source = documents[0].value, documents[0].source
    findings = _check(value, source)
    if findings:
        raise RollstepError(findings)
    return Settings(root, value.get("environmentsPath", Settings(root).environments_path), value, source)


def schema_text() -> str:
    """Return the text of the JSON schema of ``rollstep.yaml``."""
    from importlib.resources import files

    return files("renderer").joinpath(SCHEMA_FILE).read_text(encoding="utf-8")


def fill_placeholders(text: str, values: Mapping[str, str]) -> str:
    """Return ``text`` with ``${app}``, ``${environment}``, ``${namespace}`` and ``${folder}`` replaced."""
    return _PLACEHOLDER.sub(lambda match: values.get(match.group(1), match.group()), text)


def _merge_levels(levels: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for level in levels:
        for key, value in level.items():
            merged[key] = _deep_merge(merged.get(key, {}), value) if key in _MERGED else value
    return merged


def _deep_merge(below: Any, above: Any) -> Any:
    if not (isinstance(below, Mapping) and isinstance(above, Mapping)):
        return above
    merged = dict(below)
    for key, value in above.items():
        merged[key] = _deep_merge(merged[key], value) if key in merged else value
    return merged


def _commit(body: Mapping[str, Any]) -> CommitSettings:
    def person(key: str) -> Person | None:
        return Person(body[key]["name"].strip(), body[key]["email"]) if key in body else None

    return CommitSettings(person("author"), person("committer"), body.get("signoff", False))


def _source(body: Mapping[str, Any], places: Mapping[str, str]) -> SourceSettings:
    timeout_seconds = body.get("timeoutSeconds", SourceSettings().timeout_seconds)
    if "files" in body:
        return SourceSettings(None, timeout_seconds)
    if "exec" in body:
        argv = body["exec"]
    elif "kustomize" in body:
        argv = [*body.get("command", ("kustomize", "build")), body["kustomize"]]
    else:
        argv = [*body.get("command", ("helm", "template")), *_helm_arguments(body["helm"], places["namespace"])]
    return SourceSettings(tuple(fill_placeholders(part, places) for part in argv), timeout_seconds)


def _helm_arguments(helm: Mapping[str, Any], namespace: str) -> list[str]:
    arguments = [helm.get("release", "${app}"), helm["chart"]]
    if namespace:
        arguments += ["--namespace", namespace]
    for path in helm.get("values", ()):
        arguments += ["--values", path]
    return arguments


def _check(value: Any, source: Source) -> list[Finding]:
    import json

    # Takes a tenth of a second to import, which a repository without settings need not pay.
    from jsonschema import Draft202012Validator

    schema = json.loads(schema_text())
    findings = set()
    # The type of an error leaves its parts open, so it says nothing about them.
    error: Any
    for error in Draft202012Validator(schema).iter_errors(value):
        path = tuple(error.absolute_path)
        description = _description(schema, error.absolute_schema_path)
        if error.validator == "additionalProperties":
            known = sorted(error.schema["properties"])
            unknown = [key for key in error.instance if key not in known]
            findings |= {_finding(source, (*path, key), "unknown key", _did_you_mean(key, known)) for key in unknown}
        else:
            message, hint = _explanation(error.validator, error.validator_value, error.instance)
            findings.add(_finding(source, path, message, hint or description))
    return sorted(findings)


def _explanation(keyword: str, rule: Any, instance: Any) -> tuple[str, str]:
    """Return what breaks a rule of the schema, in words, and what to do about it where that is plain."""
    found = _shown(instance)
    match keyword:
        case "type":
            return f"expected {_TYPES[rule]}, found {found}", _type_hint(rule, instance)
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
            return f"{found} is a name that rollstep gives itself", "choose another name"
        case "minItems":
            return "expected at least one item, found none", ""
        case "exclusiveMinimum":
            return f"expected more than {rule}, found {found}", ""
        case "maximum":
            return f"expected at most {rule}, found {found}", ""
        case _:
            path = "(?!/)" in str(rule)
            return (
                f"{found} is not allowed here",
                "write a path without . and .. that does not start with /" if path else "",
            )


def _type_hint(rule: str, instance: Any) -> str:
    if rule == "string" and isinstance(instance, int | float):
        return "put it in quotes"
    if rule == "string" and instance == {"folder": None}:
        return 'write "${folder}"'
    return "leave it out, or write {}" if instance is None and rule == "object" else ""


def _description(schema: Mapping[str, Any], schema_path: Sequence[str | int]) -> str:
    """Return the first sentence about the setting whose rule stands at ``schema_path``."""
    node: Any = schema
    text = ""
    for part in schema_path:
        # jsonschema names a reference in the path or leaves it out, according to its release.
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
    """Return a value for a message; of a collection only its kind, as it may be long or hold what is private."""
    import json

    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return json.dumps(value, ensure_ascii=False)


def _did_you_mean(key: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"


def _finding(source: Source, path: tuple[str | int, ...], message: str, hint: str) -> Finding:
    line, column = source.position(path)
    return Finding(source.file, line, column, field_path(path), message, hint)
