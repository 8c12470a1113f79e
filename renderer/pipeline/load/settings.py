"""``rollstep.yaml``: the settings of a repository, checked against a schema, and what they come to for one app."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from renderer.errors import Finding, RollstepError
from renderer.git.forges.settings import ForgeSettings
from renderer.kubernetes import KUBERNETES_VERSION
from renderer.kubernetes.manifest import Source
from renderer.rollouts.model.versions import DEFAULT_VERSION

SETTINGS_FILE = "rollstep.yaml"
DEFAULT_TEMPLATES = "templates"
ALLOW_EXEC = "ROLLSTEP_ALLOW_EXEC"
"""The variable of the environment that lets programs run which the repository names."""

TO_BRANCH, TO_PULL_REQUEST = "branch", "pull-request"
"""Where commits go: to the branch that is checked out, or to a branch of their own with a pull request."""

_PLACEHOLDER = re.compile(r"\$\{(app|environment|namespace|folder)\}")
_MERGED = ("commit", "pullRequest", "stepPlugins", "values")
"""Settings whose mappings are merged; every other one counts as a whole."""


class Person(Struct, frozen=True):
    """Who writes or makes a commit."""

    name: str
    email: str


class CommitSettings(Struct, frozen=True):
    """How commits are made, and where they go; None leaves it to git's configuration.

    ``environment_branch`` is the branch that has nothing but what is rendered; None where there is none.
    """

    author: Person | None = None
    committer: Person | None = None
    message: str | None = None
    signoff: bool = False
    to: str = TO_BRANCH
    environment_branch: str | None = None


class PullRequestSettings(Struct, frozen=True):
    """What pull requests are given besides their title and body."""

    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()


class SourceSettings(Struct, frozen=True):
    """Where an app's manifests come from; ``argv`` is the command that prints them, None for the folder's files.

    ``reads`` are the files and folders, from the repository's root, that the command may read.
    """

    argv: tuple[str, ...] | None = None
    timeout_seconds: float = 60
    reads: tuple[str, ...] = (".",)


class AppSettings(Struct, frozen=True):
    """The settings of one app in one environment, defaults filled in.

    ``output`` is a path within the app's folder; ``templates`` is the folder of the user's templates, None where there
    is none; ``schemas`` are files and folders; ``replicas`` is who owns the number of pods; ``versioned_config`` says
    whether, or which, ConfigMaps and Secrets have the hash of their content in their names; ``sync`` is the sync tool,
    ``any`` where it is not known.
    """

    environment: str = ""
    app: str = ""
    namespace: str = ""
    output: str = "rendered"
    templates: Path | None = None
    kubernetes_version: str = KUBERNETES_VERSION
    controller_version: str = DEFAULT_VERSION
    allow: tuple[str, ...] = ()
    schemas: tuple[Path, ...] = ()
    replicas: str = "auto"
    versioned_config: bool | tuple[str, ...] = False
    step_plugins: Mapping[str, str] = field(default_factory=dict)
    approvals: int = 0
    approvers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    commit: CommitSettings = CommitSettings()
    pull_request: PullRequestSettings = PullRequestSettings()
    values: Mapping[str, Any] = field(default_factory=dict)
    source: SourceSettings = SourceSettings()
    order: str = "step"
    sync: str = "any"
    lag: Mapping[str, Any] = field(default_factory=dict)


class Settings(Struct, frozen=True):
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
        versioned_config = merged.get("versionedConfig", default.versioned_config)
        return AppSettings(
            environment=environment,
            app=app,
            namespace=namespace,
            output=merged.get("output", default.output),
            templates=self._templates(merged.get("templates")),
            kubernetes_version=merged.get("kubernetesVersion", default.kubernetes_version),
            controller_version=merged.get("controllerVersion", default.controller_version),
            allow=tuple(merged.get("allow", ())),
            schemas=tuple(self.root / path for path in merged.get("schemas", ())),
            replicas=merged.get("replicas", default.replicas),
            versioned_config=versioned_config if isinstance(versioned_config, bool) else tuple(versioned_config),
            step_plugins=merged.get("stepPlugins", {}),
            approvals=int(merged.get("approvals", default.approvals)),
            approvers=merged.get("approvers", {}),
            commit=_commit(merged.get("commit", {}), places),
            pull_request=_pull_request(merged.get("pullRequest", {})),
            values=merged.get("values", {}),
            source=_source(merged.get("source", {"files": True}), places),
            order=merged.get("order", default.order),
            sync=merged.get("sync", default.sync),
            lag=merged.get("lag", {}),
        )

    @property
    def forge(self) -> ForgeSettings:
        """Where the repository is hosted, as far as the file says it."""
        body = self._mapping("forge")
        return ForgeSettings(body.get("type"), body.get("url"), body.get("remote", ForgeSettings().remote))

    @property
    def environments(self) -> tuple[str, ...]:
        """The names of the environments that the file has settings of, sorted."""
        return tuple(sorted(self._mapping("environments")))

    @property
    def apps(self) -> tuple[str, ...]:
        """The names of the apps that the file has settings of in all environments, sorted."""
        return tuple(sorted(self._mapping("apps")))

    def apps_of(self, environment: str) -> tuple[str, ...]:
        """Return the names of the apps that the file has settings of in ``environment``, sorted."""
        return tuple(sorted(self._mapping("environments", environment, "apps")))

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
        return folder if _has_templates(folder) else None


def _has_templates(folder: Path) -> bool:
    try:
        return any(name.endswith(".j2") for name in os.listdir(folder))
    except OSError:
        return False


def load_settings(root: Path) -> Settings:
    """Read ``rollstep.yaml`` in the repository's root; defaults where there is none.

    Raises ``RollstepError`` with everything in it that the schema does not allow.
    """
    path = root / SETTINGS_FILE
    if not path.is_file():
        return Settings(root)
    from renderer.kubernetes.yaml.reader import read_text

    return parse_settings(read_text(path, SETTINGS_FILE), root)


def parse_settings(text: str, root: Path) -> Settings:
    """Return the settings that the text of a ``rollstep.yaml`` gives; raises ``RollstepError``."""
    from renderer.kubernetes.yaml.reader import load_documents

    documents = load_documents(text, SETTINGS_FILE)
    if not documents:
        return Settings(root)
    if len(documents) > 1:
        line, column = documents[1].source.position(())
        raise RollstepError([Finding(SETTINGS_FILE, line, column, "", "a second document, expected one")])
    value, source = documents[0].value, documents[0].source
    # Checks with jsonschema, which takes a tenth of a second to import.
    from renderer.pipeline.load.settings_schema import check_settings

    findings = check_settings(value, source)
    if findings:
        raise RollstepError(findings)
    return Settings(root, value.get("environmentsPath", Settings(root).environments_path), value, source)


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
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    merged = dict(below)
    for key, value in above.items():
        merged[key] = _deep_merge(merged[key], value) if key in merged else value
    return merged


def _commit(body: Mapping[str, Any], places: Mapping[str, str]) -> CommitSettings:
    def person(key: str) -> Person | None:
        return Person(body[key]["name"].strip(), body[key]["email"]) if key in body else None

    branch = body.get("environmentBranch")
    return CommitSettings(
        person("author"),
        person("committer"),
        body.get("message"),
        body.get("signoff", False),
        body.get("to", TO_BRANCH),
        None if branch is None else fill_placeholders(branch, {"environment": places["environment"]}),
    )


def _pull_request(body: Mapping[str, Any]) -> PullRequestSettings:
    return PullRequestSettings(tuple(body.get("labels", ())), tuple(body.get("reviewers", ())))


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
    reads = tuple(fill_placeholders(path, places) for path in body.get("reads", SourceSettings().reads))
    return SourceSettings(tuple(fill_placeholders(part, places) for part in argv), timeout_seconds, reads)


def _helm_arguments(helm: Mapping[str, Any], namespace: str) -> list[str]:
    arguments = [helm.get("release", "${app}"), helm["chart"]]
    if namespace:
        arguments += ["--namespace", namespace]
    for path in helm.get("values", ()):
        arguments += ["--values", path]
    return arguments
