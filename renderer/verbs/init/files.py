"""The files of ``rollstep init``: read the manifests, check the apps, and write their files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError, UsageError
from renderer.kubernetes.kinds import scales_rollout
from renderer.kubernetes.manifest import finding
from renderer.kubernetes.read_objects import STDIN, SourceText
from renderer.kubernetes.sync_tools.git_source import GitSource, object_name, repository_name
from renderer.kubernetes.sync_tools.tools import ANY, SYNC_TOOLS, step_order
from renderer.pipeline.commit.recovery import recover_interrupted
from renderer.pipeline.load.files import Folder
from renderer.pipeline.load.settings import SETTINGS_FILE, Settings, load_settings, parse_settings
from renderer.pipeline.load.sources import KUSTOMIZATIONS, OWN_FILES, PLAIN, manifest_files
from renderer.pipeline.load.workspace import find_root, journal_root
from renderer.pipeline.write.new_files import NewFiles
from renderer.pipeline.write.transaction import Transaction
from renderer.verbs.init import Choices, Scaffold, ScaffoldApp, folder_name_is_safe, scaffold
from renderer.verbs.init.documents import Item
from renderer.verbs.init.moving import Moving, moving_of
from renderer.verbs.init.settings_file import settings_text

ATTRIBUTES_FILE = ".gitattributes"
"""The file in the folder of all environments with git's attributes of what rollstep writes."""
SYNC_FOLDER = "sync"
"""The folder of the sync tool's objects, from the repository's root."""


class InitRequest(Struct, frozen=True):
    """The options of ``rollstep init``."""

    directory: str
    paths: tuple[str, ...]
    environments: tuple[str, ...]
    app: str
    choices: Choices
    dry_run: bool
    sync: str = ""


class InitFile(Struct, frozen=True):
    """A file of the result: its path from the repository's root, whether it is new, and its input files."""

    path: str
    text: str
    is_new: bool
    origins: tuple[str, ...] = ()


class InitResult(Struct, frozen=True):
    """The result, also of a dry run: apps as (environment, name, files), the settings file, and what to do next."""

    root: Path
    environments_path: str
    apps: tuple[tuple[str, str, tuple[InitFile, ...]], ...]
    settings: InitFile
    notes: tuple[Finding, ...]
    sync: tuple[InitFile, ...] = ()
    moves: tuple[Moving, ...] = ()
    attributes: tuple[InitFile, ...] = ()

    @property
    def files(self) -> tuple[InitFile, ...]:
        """All files, the settings last."""
        return (*(file for _, _, files in self.apps for file in files), *self.sync, *self.attributes, self.settings)

    @property
    def in_git(self) -> bool:
        """True if the root is a git repository's."""
        return (self.root / ".git").exists()


def initialize(request: InitRequest) -> InitResult:
    """Write the apps of the named manifests in every environment, all or nothing.

    Raises UsageError for invalid names, and RollstepError with all findings about the manifests, the future apps and
    existing files; then nothing is written.
    """
    _check_names(request)
    cwd = Path(request.directory).resolve()
    root = find_root(cwd)
    if not request.dry_run:
        recover_interrupted(root)
    environments = tuple(dict.fromkeys(request.environments)) or ("prod",)
    settings = load_settings(root)
    base = root / settings.environments_path
    texts, notes = read_inputs(cwd, request.paths, {base.resolve(), (root / SETTINGS_FILE).resolve()}, request.app)
    scaffolded = scaffold(texts, request.choices, request.app)
    settings_file = _settings_file(root, settings, environments, scaffolded, request.sync)
    if settings_file.is_new:
        settings = parse_settings(settings_file.text, root)
    notes += _notes(settings, environments, scaffolded)
    if settings_file.is_new and _needs_namespaces(environments, scaffolded, request.sync):
        notes.append(_namespaces_note(settings, environments, request.sync))
    result = _result(root, settings, environments, scaffolded, settings_file, notes)
    result = replace(result, moves=tuple(_moves(settings, environments, scaffolded, cwd)))
    if request.sync:
        result = replace(result, sync=sync_files(root, settings, environments, scaffolded, request.sync))
    result = _with_attributes(result, {settings.for_app(name, "").output for name in environments})
    findings = _in_the_way(result)
    findings += _clashes(settings, environments, scaffolded) if request.sync else []
    for environment, app in product(environments, scaffolded.apps):
        findings += check_app(root, settings, environment, app)
    if findings:
        raise RollstepError(sorted(set(findings)))
    with NewFiles(journal_root(root), in_memory=request.dry_run) as new_files:
        transaction = Transaction(new_files)
        for file in result.files:
            if file.is_new:
                transaction.write(root / file.path, file.text)
        if request.dry_run:
            transaction.check()
        else:
            transaction.commit()
    return result


def _check_names(request: InitRequest) -> None:
    names = [("--env", name) for name in request.environments] + ([("--app", request.app)] if request.app else [])
    message = "cannot be the name of a folder: it takes letters, digits and - . _ in between"
    wrong = [Finding("", 0, 0, flag, f"{name!r} {message}") for flag, name in names if not folder_name_is_safe(name)]
    if wrong:
        raise UsageError(wrong)


def read_inputs(
    cwd: Path, paths: Sequence[str], own: set[Path], app: str = ""
) -> tuple[list[SourceText], list[Finding]]:
    """Return the text of every manifest in ``paths``, and notes about other files.

    Folders are read recursively, without hidden files and ``own`` paths of rollstep.  Raises UsageError for a missing
    path, and RollstepError for unreadable files; its hints name the ``app``, if it has a name.
    """
    from renderer.kubernetes.yaml.reader import read_stream, read_text

    texts: dict[str, SourceText] = {}
    notes: list[Finding] = []
    findings: list[Finding] = []
    missing = [path for path in paths if path != "-" and not (cwd / path).exists()]
    if missing:
        raise UsageError([Finding(path, 0, 0, "", "there is no such file or folder") for path in missing])
    for path in paths:
        try:
            if path == "-":
                texts[path] = SourceText(STDIN, None, read_stream(sys.stdin.buffer, STDIN))
                continue
            is_folder = (cwd / path).is_dir()
            for file in _files(cwd / path, own, app) if is_folder else [cwd / path]:
                shown = os.path.relpath(file, cwd) if is_folder else path
                text = SourceText(shown, file, read_text(file, shown))
                if is_folder and not _has_objects(text):
                    notes.append(Finding(shown, 0, 0, "", "is not a Kubernetes manifest: left out"))
                else:
                    texts[str(file.resolve())] = text
        except RollstepError as error:
            findings += error.findings
    if findings:
        raise RollstepError(findings)
    return list(texts.values()), notes


def _files(folder: Path, own: set[Path], app: str) -> Iterator[Path]:
    """Yield the manifests in a folder; raise RollstepError for a Kustomization or a chart."""
    import shlex

    helm = ("helm", "template", app or folder.resolve().name)
    for name, command in (*((name, ("kustomize", "build")) for name in KUSTOMIZATIONS), ("Chart.yaml", helm)):
        if (folder / name).exists():
            message = f"is a folder of {command[0]}, not of manifests"
            hint = f"use `{shlex.join([*command, str(folder)])} | rollstep init -`"
            raise RollstepError([Finding(str(folder), 0, 0, "", message, hint)])
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or entry.resolve() in own:
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _files(entry, own, app)
        elif entry.is_file() and entry.name.endswith(PLAIN):
            yield entry


def _has_objects(text: SourceText) -> bool:
    """Return whether a file has Kubernetes objects, or is invalid YAML that mentions apiVersion, for its findings."""
    from renderer.kubernetes.yaml.reader import load_documents

    try:
        values = [document.value for document in load_documents(text.text, text.file)]
    except RollstepError:
        return "apiVersion" in text.text
    return any(isinstance(value, dict) and {"apiVersion", "kind"} <= value.keys() for value in values)


def _settings_file(
    root: Path, settings: Settings, environments: Sequence[str], scaffolded: Scaffold, sync: str
) -> InitFile:
    if (root / SETTINGS_FILE).exists():
        return InitFile(SETTINGS_FILE, "", False)
    scaled = [
        app.name
        for app in scaffolded.apps
        if any(scales_rollout(item.manifest.body, app.items[0].manifest.name) for item in app.items)
    ]
    text = settings_text(
        environments,
        _repository_name(root, settings) if sync else object_name(root.name),
        sync=sync,
        own_namespaces=_needs_namespaces(environments, scaffolded, sync),
        step_apps=scaled,
    )
    return InitFile(SETTINGS_FILE, text, True)


def _repository_name(root: Path, settings: Settings) -> str:
    """Return the name of the repository by its remote; empty without one."""
    from renderer.git.remote import public_url
    from renderer.git.repository import Repository

    return repository_name(public_url(Repository.open(root), settings.forge.remote))


def _needs_namespaces(environments: Sequence[str], scaffolded: Scaffold, sync: str) -> bool:
    """Return whether a sync tool would apply several environments to one namespace, unless each gets its own."""
    named = any(app.items[0].manifest.namespace for app in scaffolded.apps)
    return bool(sync) and len(environments) > 1 and not named


def _namespaces_note(settings: Settings, environments: Sequence[str], sync: str) -> Finding:
    names = ", ".join(settings.for_app(environment, "").namespace for environment in environments)
    message = f"each environment has a namespace of its own: {names}"
    hint = "change them before the first commit"
    if not SYNC_TOOLS[sync].creates_namespaces:
        hint += f", and create them: {sync} does not"
    return Finding(SETTINGS_FILE, 0, 0, "environments", message, hint)


def _clashes(settings: Settings, environments: Sequence[str], scaffolded: Scaffold) -> list[Finding]:
    """Return a finding for each app whose environments a sync tool would apply to one namespace of one cluster."""
    findings = []
    for app in scaffolded.apps:
        rollout = app.items[0].manifest
        places: dict[str, list[str]] = {}
        for environment in environments:
            namespace = rollout.namespace or settings.for_app(environment, app.name).namespace or "default"
            places.setdefault(namespace, []).append(environment)
        for namespace, names in places.items():
            if len(names) > 1:
                message = f"{' and '.join(names)} would be the same objects: all are {namespace}/{rollout.name}"
                hint = f"set a namespace for each in {SETTINGS_FILE}, such as environments.{names[0]}.namespace"
                if rollout.namespace:
                    hint = f"take metadata.namespace out of the manifests, then {SETTINGS_FILE} has one for each"
                findings.append(finding(rollout, ("metadata", "namespace"), message, hint))
    return findings


def _notes(settings: Settings, environments: Sequence[str], scaffolded: Scaffold) -> list[Finding]:
    """Return the notes about orders that are not safe."""
    found = (
        step_order(settings.body, settings.source, environment, app.name)
        for environment, app in product(environments, scaffolded.apps)
    )
    return [note for note in dict.fromkeys(found) if note is not None]


def _moves(settings: Settings, environments: Sequence[str], scaffolded: Scaffold, cwd: Path) -> Iterator[Moving]:
    for environment, app in product(environments, scaffolded.apps):
        folder = settings.root / settings.environments_path / environment / app.name
        own = settings.for_app(environment, app.name)
        moving = moving_of(app, own, os.path.relpath(folder, cwd))
        if moving is not None:
            yield moving


def _result(
    root: Path,
    settings: Settings,
    environments: Sequence[str],
    scaffolded: Scaffold,
    settings_file: InitFile,
    notes: Sequence[Finding],
) -> InitResult:
    apps = []
    for environment, app in product(environments, scaffolded.apps):
        folder = f"{settings.environments_path}/{environment}/{app.name}"
        files = (_init_file(root, f"{folder}/{file.name}", file.text, file.origins) for file in app.files)
        apps.append((environment, app.name, tuple(files)))
    return InitResult(root, settings.environments_path, tuple(apps), settings_file, (*notes, *scaffolded.notes))


def sync_files(
    root: Path, settings: Settings, environments: Sequence[str], scaffolded: Scaffold, tool: str
) -> tuple[InitFile, ...]:
    """Return the files below ``sync/`` with the objects by which ``tool`` syncs the environments.

    Raises RollstepError without a remote that a cluster could read, on a detached HEAD, and for another tool in the
    settings.
    """
    from renderer.git.remote import parse_url, public_url
    from renderer.git.repository import Repository
    from renderer.kubernetes.yaml.writer import dump

    remote = settings.forge.remote
    repository = Repository.open(root)
    url, branch = public_url(repository, remote), repository.head.branch
    if not url or parse_url(url) is None:
        message = f"--sync needs the repository's URL: there is no remote {remote} that a cluster could read"
        raise RollstepError(message, hint=f"git remote add {remote} URL")
    if branch is None:
        raise RollstepError("--sync needs the branch to follow: HEAD is detached", hint="git switch BRANCH")
    objects = SYNC_TOOLS[tool].objects
    assert objects is not None  # --sync takes such tools only
    files = []
    apps = tuple(app.name for app in scaffolded.apps)
    for environment in environments:
        own = settings.for_app(environment, apps[0] if apps else "")
        if own.sync not in (ANY, tool):
            message = f"{environment} is synced by {own.sync}, and --sync asks for {tool}"
            raise RollstepError([Finding(SETTINGS_FILE, 0, 0, "sync", message, "correct one of the two")])
        rendered = own.commit.environment_branch
        folder = "" if rendered else f"{settings.environments_path}/{environment}"
        source = GitSource(environment, url, rendered or branch, folder, own.output, own.namespace)
        for name, body in objects(source, apps).items():
            files.append(_init_file(root, f"{SYNC_FOLDER}/{tool}/{name}", dump(body)))
    return tuple(files)


def _with_attributes(result: InitResult, outputs: set[str]) -> InitResult:
    """Add git's attributes of the files that rollstep writes, or a note where there is another file."""
    text = attributes_text(outputs)
    file = _init_file(result.root, f"{result.environments_path}/{ATTRIBUTES_FILE}", text)
    if not file.is_new or not os.path.lexists(result.root / file.path):
        return replace(result, attributes=(file,))
    lines = "; ".join(text.splitlines()[1:])
    note = Finding(file.path, 0, 0, "", "is left as it is: git may merge what rollstep writes", f"add to it: {lines}")
    return replace(result, notes=(*result.notes, note))


def attributes_text(outputs: set[str]) -> str:
    """Return the attributes of rollstep's files in the folder of all environments: git takes them from one side.

    The marker is merged line by line, since it has a line for each file.
    """
    lines = [
        "# A conflict in files that rollstep writes is resolved by `rollstep resolve`; forges fold them in reviews.",
        *(f"*/*/{name} text eol=lf -merge linguist-generated" for name in OWN_FILES),
    ]
    for output in sorted(outputs):
        lines += [f"*/*/{output}/** text eol=lf linguist-generated", f"*/*/{output}/*.yaml -merge"]
    return "\n".join(lines) + "\n"


def _init_file(root: Path, path: str, text: str, origins: tuple[str, ...] = ()) -> InitFile:
    is_there = (root / path).is_file() and (root / path).read_bytes() == text.encode()
    return InitFile(path, text, not is_there, origins)


def _in_the_way(result: InitResult) -> list[Finding]:
    message = "exists already with other content"
    hint = "move it away, or choose another --env or --app"
    return [
        Finding(file.path, 0, 0, "", message, hint)
        for file in result.files
        if file.is_new and os.path.lexists(result.root / file.path)
    ]


def check_app(root: Path, settings: Settings, environment: str, app: ScaffoldApp) -> list[Finding]:
    """Return the findings that would prevent the app's release in ``environment``."""
    from renderer.kubernetes.kinds import in_namespace, is_rollout
    from renderer.kubernetes.read_objects import duplicates
    from renderer.pipeline.load.app import App
    from renderer.pipeline.load.discover import AppRef
    from renderer.pipeline.load.workspace import current_time
    from renderer.pipeline.resolve.release import resolve_app
    from renderer.rollouts.checks import check

    ref = AppRef(environment, app.name, root / settings.environments_path / environment / app.name)
    app_settings = settings.for_app(environment, app.name)
    if app_settings.source.argv is not None:
        message = f"a command prints the manifests of {environment}/{app.name}, so no file is read"
        return [Finding(SETTINGS_FILE, 0, 0, "source", message, "remove source, or leave the app to the command")]
    try:
        existing = _other_items(ref.folder, {file.name for file in app.files}, app_settings.output, root)
    except RollstepError as error:
        return list(error.findings)
    manifests = [in_namespace(item.manifest, app_settings.namespace) for item in (*app.items, *existing)]
    rollouts = [manifest for manifest in manifests if is_rollout(manifest)]
    if len(rollouts) > 1:
        message = f"{ref.folder.relative_to(root)} has a Rollout already: {rollouts[1].name}"
        return [Finding(rollouts[1].source.file, 0, 0, "", message, "move it away, or choose another --env or --app")]
    others = tuple(manifest for manifest in manifests if not is_rollout(manifest))
    findings = duplicates(others, rollouts[0].namespace)
    findings += check(rollouts[0], others, app_settings.controller_version, app_settings.allow)
    try:
        # Also finds settings that the engine does not support.
        resolve_app(App(ref, app_settings, rollouts[0], others), root, None, (), current_time())
    except RollstepError as error:
        found = {(finding.line, finding.column) for finding in findings}
        findings += [finding for finding in error.findings if (finding.line, finding.column) not in found]
    return findings


def _other_items(folder: Path, planned: set[str], output: str, root: Path) -> list[Item]:
    """Return the objects in an app's folder, without those in ``planned`` files."""
    from renderer.kubernetes.yaml.reader import read_text
    from renderer.verbs.init.documents import read_items

    texts = []
    for path in manifest_files(folder, output, Folder(root)):
        if not (path.parent == folder and path.name in planned) and path.name.endswith(PLAIN):
            shown = str(path.relative_to(root))
            texts.append(SourceText(shown, path, read_text(path, shown)))
    items, findings = read_items(texts)
    if findings:
        raise RollstepError(findings)
    return items


def tree(result: InitResult) -> list[str]:
    """Return the lines of the result's file tree; unchanged files are marked."""
    nested: dict[str, Any] = {}
    for file in result.files:
        folder = nested
        *parents, name = file.path.split("/")
        for parent in parents:
            folder = folder.setdefault(f"{parent}/", {})
        folder[name if file.is_new else f"{name} (unchanged)"] = None
    return [line for name in sorted(nested, key=_folders_first) for line in (name, *_branches(nested[name] or {}))]


def _folders_first(name: str) -> tuple[bool, str]:
    return not name.endswith("/"), name


def _branches(folder: dict[str, Any], indent: str = "") -> Iterator[str]:
    names = sorted(folder, key=_folders_first)
    for name in names:
        is_last = name == names[-1]
        yield f"{indent}{'└── ' if is_last else '├── '}{name}"
        yield from _branches(folder[name] or {}, indent + ("    " if is_last else "│   "))


def next_commands(result: InitResult, cwd: Path) -> list[str]:
    """Return the commands that commit the result and make the first release."""
    import shlex

    folders = (result.environments_path, *([SYNC_FOLDER] if result.sync else []), SETTINGS_FILE)
    paths = (os.path.relpath(result.root / path, cwd) for path in folders)
    names = ", ".join(sorted({name for _, name, _ in result.apps}))
    commit = shlex.join(["git", "commit", "-m", f"Release {names} with rollstep"])
    first = [] if result.in_git else ["git init"]
    targets = [f"{environment}/{name}" for environment, name, _ in result.apps]
    advance = shlex.join(["rollstep", "advance", *targets])
    return [*first, shlex.join(["git", "add", *paths]), commit, "rollstep plan", advance]
