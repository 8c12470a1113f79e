"""``rollstep.yaml``: the settings of a repository, checked against a schema, and merged for each app."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from renderer.errors import Finding, RollstepError
from renderer.git.forges.settings import ForgeSettings
from renderer.kubernetes import KUBERNETES_VERSION
from renderer.kubernetes.manifest import Source
from renderer.kubernetes.sync_tools.tools import default_order
from renderer.pipeline.load.files import Files, Folder
from renderer.rollouts.model.corrections import ALL, CORRECTIONS, chosen_corrections
from renderer.rollouts.model.versions import DEFAULT_VERSION

SETTINGS_FILE = "rollstep.yaml"
DEFAULT_TEMPLATES = "templates"

TO_BRANCH, TO_PULL_REQUEST = "branch", "pull-request"
"""The target of commits: the current branch, or a branch of their own with a pull request."""

PIPELINE, MANUAL = "pipeline", "manual"
"""The modes of analyses: rollstep measures from a pipeline, or nobody does and a person promotes."""

_PLACEHOLDER = re.compile(r"\$\{(app|environment|namespace|folder)\}")
_MERGED = ("analysis", "commit", "pullRequest", "stepPlugins", "values")
"""Settings whose mappings are merged; any other setting replaces that of the level above."""


class Person(Struct, frozen=True):
    """The author or committer of a commit."""

    name: str
    email: str


class CommitSettings(Struct, frozen=True):
    """The settings of commits; None leaves a value to git's configuration.

    ``environment_branch`` is the branch of the rendered manifests alone; None for no such branch.  ``source_branch`` is
    the branch that moves it; None for the remote's default branch.
    """

    author: Person | None = None
    committer: Person | None = None
    message: str | None = None
    signoff: bool = False
    to: str = TO_BRANCH
    environment_branch: str | None = None
    source_branch: str | None = None


class PullRequestSettings(Struct, frozen=True):
    """The labels and reviewers of pull requests."""

    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()


class SourceSettings(Struct, frozen=True):
    """The source of an app's manifests: ``argv`` is the command that prints them, None for the folder's files.

    ``reads`` are the files and folders that the command may read, relative to the repository's root.
    """

    argv: tuple[str, ...] | None = None
    timeout_seconds: float = 60
    reads: tuple[str, ...] = (".",)


class AnalysisSettings(Struct, frozen=True):
    """The settings of analyses: who measures (``mode``), and the way to the providers.

    ``hold_last_step`` holds the last step for a background analysis.  ``addresses`` and ``secrets`` are those of
    ``metric_providers.access``, with paths as they are written.
    """

    mode: str = PIPELINE
    hold_last_step: bool = False
    addresses: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def holds_last_step(self) -> bool:
        """True if the last step waits for the background analysis."""
        return self.hold_last_step or self.mode == MANUAL


class AppSettings(Struct, frozen=True, rename="camel"):
    """The settings of one app in one environment, with defaults.

    ``output`` is a path within the app's folder.  ``templates`` is the folder of the user's templates, None without
    one.  ``schemas`` are files and folders.  ``replicas`` is the owner of the number of pods.  ``versioned_config`` is
    true for all ConfigMaps and Secrets with a hash in their names, or lists them.  ``sync`` is the sync tool, ``any``
    for an unknown one; it decides the default of ``order``.
    """

    environment: str = ""
    app: str = ""
    namespace: str = ""
    output: str = "rendered"
    templates: Path | None = None
    kubernetes_version: str = KUBERNETES_VERSION
    controller_version: str = DEFAULT_VERSION
    corrections: tuple[str, ...] = tuple(CORRECTIONS)
    allow: tuple[str, ...] = ()
    schemas: tuple[Path, ...] = ()
    replicas: str = "auto"
    versioned_config: bool | tuple[str, ...] = False
    step_plugins: Mapping[str, str] = field(default_factory=dict)
    analysis: AnalysisSettings = field(default_factory=AnalysisSettings)
    approvals: int = 0
    approvers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    commit: CommitSettings = CommitSettings()
    pull_request: PullRequestSettings = PullRequestSettings()
    values: Mapping[str, Any] = field(default_factory=dict)
    source: SourceSettings = SourceSettings()
    order: str = "phases"
    sync: str = "any"
    lag: Mapping[str, Any] = field(default_factory=dict)


_FIELDS = dict(zip(AppSettings.__struct_encode_fields__, AppSettings.__struct_fields__, strict=True))
"""The fields of ``AppSettings`` by their keys in ``rollstep.yaml``."""


class Settings(Struct, frozen=True):
    """The settings of a repository: ``body`` is the content of ``rollstep.yaml``, empty without the file.

    ``environments_path`` is relative to ``root``, the repository's root.  ``files`` are the repository's; None stands
    for those on disk.
    """

    root: Path
    environments_path: str = "environments"
    body: Mapping[str, Any] = field(default_factory=dict)
    source: Source = field(default_factory=lambda: Source(SETTINGS_FILE))
    files: Files | None = None

    def for_app(self, environment: str, app: str) -> AppSettings:
        """Return the settings of ``app`` in ``environment``; the defaults apply to unknown names."""
        merged = _merge_levels(
            self._mapping("defaults"),
            self._mapping("apps", app),
            self._mapping("environments", environment),
            self._mapping("environments", environment, "apps", app),
        )
        places = {"environment": environment, "app": app, "folder": f"{self.environments_path}/{environment}/{app}"}
        places["namespace"] = _fill_placeholders(merged.get("namespace", ""), places)
        versioned_config, requests = merged.get("versionedConfig", False), merged.get("pullRequest", {})
        values = {_FIELDS[key]: value for key, value in merged.items() if key in _FIELDS} | {
            "environment": environment,
            "app": app,
            "namespace": places["namespace"],
            "templates": self._templates(merged.get("templates")),
            "corrections": chosen_corrections(merged.get("corrections", ALL)),
            "allow": tuple(merged.get("allow", ())),
            "schemas": tuple(self.root / path for path in merged.get("schemas", ())),
            "versioned_config": versioned_config if isinstance(versioned_config, bool) else tuple(versioned_config),
            "approvals": int(merged.get("approvals", 0)),
            "commit": _commit(merged.get("commit", {}), environment),
            "pull_request": PullRequestSettings(
                tuple(requests.get("labels", ())), tuple(requests.get("reviewers", ()))
            ),
            "analysis": _analysis(merged.get("analysis", {})),
            "source": _source(merged.get("source", {"files": True}), places),
            "order": merged.get("order") or default_order(merged.get("sync", AppSettings().sync)),
        }
        return AppSettings(**values)

    @property
    def forge(self) -> ForgeSettings:
        """The settings of the forge that hosts the repository."""
        body = self._mapping("forge")
        return ForgeSettings(body.get("type"), body.get("url"), body.get("remote", ForgeSettings().remote))

    @property
    def environments(self) -> tuple[str, ...]:
        """The names of the environments with settings, sorted."""
        return tuple(sorted(self._mapping("environments")))

    @property
    def apps(self) -> tuple[str, ...]:
        """The names of the apps with settings for all environments, sorted."""
        return tuple(sorted(self._mapping("apps")))

    def apps_of(self, environment: str) -> tuple[str, ...]:
        """Return the names of the apps with settings for ``environment``, sorted."""
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
        entries = (self.files or Folder(self.root)).entries(str(folder))
        return folder if any(entry.name.endswith(".j2") for entry in entries) else None


def load_settings(root: Path) -> Settings:
    """Read ``rollstep.yaml`` in the repository's root; return the defaults without the file.

    Raises ``RollstepError`` with everything that the schema does not allow.
    """
    path = root / SETTINGS_FILE
    if not path.is_file():
        return Settings(root)
    files = Folder(root)
    if path.is_symlink() and not Path(files.real(str(path))).is_relative_to(files.real(str(root))):
        raise RollstepError.at(SETTINGS_FILE, "is a link out of the repository", "put the file itself there")
    from renderer.kubernetes.yaml.reader import read_text

    return parse_settings(read_text(path, SETTINGS_FILE), root)


def parse_settings(text: str, root: Path, files: Files | None = None) -> Settings:
    """Return the settings in the text of a ``rollstep.yaml``; raise ``RollstepError`` as ``load_settings`` does.

    ``files`` are the repository's; None stands for those on disk.
    """
    # Not needed without the file.
    from renderer.kubernetes.yaml.reader import load_documents
    from renderer.pipeline.load.settings_schema import check_settings

    documents = load_documents(text, SETTINGS_FILE)
    if not documents:
        return Settings(root, files=files)
    if len(documents) > 1:
        position = documents[1].source.position(())
        raise RollstepError([Finding(SETTINGS_FILE, *position, "", "a second document, expected one")])
    value, source = documents[0].value, documents[0].source
    findings = check_settings(value, source)
    if findings:
        raise RollstepError(findings)
    return Settings(root, value.get("environmentsPath", Settings(root).environments_path), value, source, files)


def _fill_placeholders(text: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: values.get(match.group(1), match.group()), text)


def _merge_levels(*levels: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for level in levels:
        for key, given in level.items():
            value = {"mode": given} if key == "analysis" and isinstance(given, str) else given
            merged[key] = _deep_merge(merged.get(key, {}), value) if key in _MERGED else value
    return merged


def _deep_merge(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    merged = dict(below)
    for key, value in above.items():
        merged[key] = _deep_merge(merged[key], value) if key in merged else value
    return merged


def _commit(body: Mapping[str, Any], environment: str) -> CommitSettings:
    def person(key: str) -> Person | None:
        return Person(body[key]["name"].strip(), body[key]["email"]) if key in body else None

    def branch(key: str) -> str | None:
        return _fill_placeholders(body[key], {"environment": environment}) if key in body else None

    return CommitSettings(
        person("author"),
        person("committer"),
        body.get("message"),
        body.get("signoff", False),
        body.get("to", TO_BRANCH),
        branch("environmentBranch"),
        branch("sourceBranch"),
    )


def _analysis(body: Mapping[str, Any]) -> AnalysisSettings:
    default = AnalysisSettings()
    return AnalysisSettings(
        body.get("mode", default.mode),
        body.get("holdLastStep", default.hold_last_step),
        body.get("addresses", {}),
        body.get("secrets", {}),
    )


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
    reads = tuple(_fill_placeholders(path, places) for path in body.get("reads", SourceSettings().reads))
    return SourceSettings(tuple(_fill_placeholders(part, places) for part in argv), timeout_seconds, reads)


def _helm_arguments(helm: Mapping[str, Any], namespace: str) -> list[str]:
    arguments = [helm.get("release", "${app}"), helm["chart"]]
    if namespace:
        arguments += ["--namespace", namespace]
    for path in helm.get("values", ()):
        arguments += ["--values", path]
    return arguments
