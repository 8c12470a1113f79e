"""``rollstep lint``: read the manifests of apps, folders, files and standard input, and lint them."""

from __future__ import annotations

import os
import re
import sys
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError, UsageError
from renderer.kubernetes.encrypted import without_signature
from renderer.kubernetes.kinds import in_namespace
from renderer.kubernetes.manifest import Manifest, field_path
from renderer.kubernetes.read_objects import STDIN, SourceText, read_objects
from renderer.kubernetes.sync_tools.tools import step_order
from renderer.kubernetes.yaml.reader import read_stream, read_text
from renderer.pipeline.load.app import without_hooks
from renderer.pipeline.load.discover import AppRef, find_apps, orphan_finding
from renderer.pipeline.load.files import Folder
from renderer.pipeline.load.marker import MARKER
from renderer.pipeline.load.settings import SETTINGS_FILE, AppSettings, Settings
from renderer.pipeline.load.sources import KUSTOMIZATIONS, PLAIN, manifest_files, read_sources
from renderer.pipeline.load.workspace import Workspace
from renderer.verbs import progress
from renderer.verbs.lint import Context, Group, LintResult, lint
from renderer.verbs.lint.comments import Comment, apply_comments
from renderer.verbs.lint.context import ROLLOUT, kind_of, sort_key
from renderer.verbs.lint.selection import Selection, unknown_prefixes

_API_VERSION = re.compile(r"^[ \t]*(- +)?[\"']?apiVersion[\"']?[ \t]*:|\{\s*\"apiVersion\"", re.MULTILINE)
_CODES = (
    ("RS001", r"cannot be read|byte 0x|NUL byte"),
    ("RS101", r"is not a Kubernetes object|missing: |expected text, found "),
    ("RS004", r".*(levels deep|keys and values)|the document is too large|has no end"),
    ("RS002", r"is not YAML|is not JSON"),
    ("RS003", r"the key .* stands (twice|before <<)"),
)
"""The codes of reading's findings, by the beginning of the message; all others are RS005."""


class _Inputs(Struct):
    """The manifests, findings and comments that were read so far, of the repository at ``root``."""

    root: Path
    groups: list[Group] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    schemas: dict[tuple[str, tuple[Path, ...]], Path] = field(default_factory=dict)
    """The folders of schemas, which are slow to find, by Kubernetes version and the user's files."""

    def add(self, texts: Sequence[SourceText], ref: AppRef | None, settings: AppSettings, *, complete: bool) -> None:
        """Add the manifests of one group, and the findings of reading them."""
        from renderer.verbs.lint.yaml_text import scan_text

        manifests: list[Manifest] = []
        readable: dict[str, str] = {}
        for text in texts:
            loaded, findings = read_objects([text])
            self.files.append(text.file)
            self.findings += [_coded(finding) for finding in findings]
            if not findings:
                readable[text.file] = text.text
            complete = complete and not findings
            loaded, _ = without_hooks(loaded, settings)
            manifests += [in_namespace(item.manifest, settings.namespace) for item in loaded]
            comments, found = scan_text(text.text, text.file)
            self.comments += comments
            self.findings += found
        self.findings += _without_rollouts(self._schema_findings(readable, settings), manifests)
        names = ("", "") if ref is None else (ref.name, ref.environment)
        self.groups.append(
            Group(
                tuple(manifests),
                *names,
                settings.controller_version,
                complete,
                settings.allow,
                *((settings.analysis, self.root) if ref is not None else ()),
            )
        )

    def _schema_findings(self, files: Mapping[str, str], settings: AppSettings) -> list[Finding]:
        if not files:
            return []
        # The built-in validator needs no program, names fields, and agrees with kubeconform.
        from renderer.pipeline.validate.builtin import check
        from renderer.pipeline.validate.schemas import schema_folder

        key = settings.kubernetes_version, tuple(settings.schemas)
        if key not in self.schemas:
            self.schemas[key] = schema_folder(settings.kubernetes_version, own=settings.schemas)
        own = {name: without_signature(text) for name, text in files.items()}
        findings = (finding for document in check(own, self.schemas[key]) for finding in document.findings)
        return [replace(finding, code="RS105") for finding in findings]


def lint_paths(directory: str, paths: Sequence[str], selection: Mapping[str, Sequence[str]]) -> LintResult:
    """Lint ``paths``, relative to ``directory``: folders, files, apps, and ``-`` for standard input.

    An app of the repository is linted as a whole, with its settings, where a path is its folder, above it or in it.
    The other manifests of a folder are one group; all files and standard input together are another.  ``selection`` may
    have ``select`` and ``ignore``, which override those of ``rollstep.yaml``.

    Raises UsageError for a missing path, an unknown rule and an invalid ``rollstep.yaml``.
    """
    try:
        workspace = Workspace.open(directory)
        selected_rules = _selection(workspace.settings, selection)
        apps = _apps(workspace)
    except RollstepError as error:
        raise UsageError(error.findings) from error
    inputs = _Inputs(workspace.root)
    selected: dict[Path, AppRef] = {}
    files: list[str] = []
    folders: list[Path] = []
    for path in dict.fromkeys(paths):
        place = workspace.cwd / path
        if path != "-" and not place.exists():
            selected.update(_named_apps(workspace, path))
            continue
        real = Path(os.path.realpath(place))
        own_apps = {ref.folder: ref for ref in apps if path != "-" and _overlaps(real, ref)}
        selected.update(own_apps)
        if path != "-" and place.is_dir():
            if not any(real.is_relative_to(os.path.realpath(folder)) for folder in own_apps):
                folders.append(place)
        elif not own_apps:
            files.append(path)
    refs = sorted(selected.values(), key=lambda ref: (ref.environment, ref.name))
    for ref in progress.over(refs, "reading app"):
        _read_app(inputs, workspace, ref)
    if refs:
        _read_settings(inputs, workspace, apps)
        _read_quarantine(inputs, workspace, apps)
    for ref in workspace.orphans([str(workspace.root)], apps):
        if any(path != "-" and _overlaps(Path(os.path.realpath(workspace.cwd / path)), ref) for path in paths):
            marker = f"{workspace.home(ref).output_path}/{MARKER}"
            inputs.findings.append(replace(orphan_finding(workspace.home(ref)), file=marker, code="RS443"))
            inputs.files.append(marker)
    for folder in folders:
        _read_files(inputs, workspace, sorted(_manifests_in(folder, workspace, apps)))
    _read_files(inputs, workspace, files)
    with progress.stage("linting"):
        found = {*lint(Context(tuple(inputs.groups))), *inputs.findings}
    findings = [finding for finding in found if selected_rules.has(finding.code)]
    kept = apply_comments(findings, list(dict.fromkeys(inputs.comments)), selected_rules)
    return LintResult(tuple(sorted(set(kept), key=sort_key)), tuple(sorted(set(inputs.files))))


def _selection(settings: Settings, given: Mapping[str, Sequence[str]]) -> Selection:
    configured: Mapping[str, Any] = settings.body.get("lint") or {}
    values: dict[str, tuple[str, ...]] = {}
    wrong: list[Finding] = []
    for key in ("select", "ignore"):
        prefixes = given.get(key) or configured.get(key)
        if prefixes is None:
            continue
        values[key] = tuple(prefixes)
        for prefix in unknown_prefixes(values[key]):
            hint = "a code such as RS410, the beginning of codes such as RS4, or ALL"
            message = f"there is no rule {prefix!r}"
            if given.get(key):
                wrong.append(Finding("", 0, 0, "", f"--{key}: {message}", hint))
            else:
                path = ("lint", key, values[key].index(prefix))
                place = settings.source.position(path)
                wrong.append(Finding(settings.source.file, *place, field_path(path), message, hint))
    if wrong:
        raise UsageError(wrong)
    return Selection(**values)


def _apps(workspace: Workspace) -> tuple[AppRef, ...]:
    try:
        return find_apps(workspace.root, workspace.settings, [str(workspace.root)], workspace.cwd)
    except UsageError:
        return ()


def _named_apps(workspace: Workspace, name: str) -> dict[Path, AppRef]:
    """Return the apps of a TARGET that is no path (``ENV/APP``, ``ENV``, ``APP``); raise UsageError without any."""
    try:
        return {ref.folder: ref for ref in workspace.apps([name])}
    except RollstepError as error:
        raise UsageError([Finding(name, 0, 0, "", "there is no such file, folder, app or environment")]) from error


def _overlaps(real: Path, ref: AppRef) -> bool:
    folder = Path(os.path.realpath(ref.folder))
    return folder.is_relative_to(real) or real.is_relative_to(folder)


def _read_app(inputs: _Inputs, workspace: Workspace, ref: AppRef) -> None:
    settings = workspace.settings.for_app(ref.environment, ref.name)
    try:
        sources = read_sources(ref.folder, settings, Folder(workspace.root))
        texts: Sequence[SourceText] = sources.texts
        inputs.findings += [replace(note, code="RS007") for note in sources.notes]
        complete = True
    except RollstepError as error:
        found = (_coded(one) for one in error.findings)
        # A source is unreadable (RS001), or was not generated (RS006).
        inputs.findings += [one if one.code == "RS001" else replace(one, code="RS006") for one in found]
        inputs.files += [one.file for one in error.findings]
        texts, complete = _plain_texts(workspace, ref, settings), False
    inputs.add(texts, ref, settings, complete=complete)


def _read_settings(inputs: _Inputs, workspace: Workspace, refs: Iterable[AppRef]) -> None:
    """Add what ``rollstep.yaml`` says about the orders of all apps, and its ignore comments."""
    from renderer.verbs.lint.yaml_text import scan_text

    settings = workspace.settings
    notes = {step_order(settings.body, settings.source, ref.environment, ref.name) for ref in refs}
    found = [replace(note, code="RS450") for note in notes if note is not None]
    if found:
        inputs.findings += found
        inputs.files.append(SETTINGS_FILE)
        inputs.comments += scan_text(read_text(workspace.root / SETTINGS_FILE, SETTINGS_FILE), SETTINGS_FILE)[0]


def _read_quarantine(inputs: _Inputs, workspace: Workspace, refs: Collection[AppRef]) -> None:
    """Add what is wrong with ``quarantine.yaml``, and its ignore comments."""
    from renderer.verbs.lint.quarantine import idle_entries
    from renderer.verbs.lint.yaml_text import scan_text
    from renderer.verbs.policy.listed_image import QUARANTINE_FILE
    from renderer.verbs.policy.quarantine import parse_quarantine, read_quarantine

    try:
        text = read_quarantine(workspace.root)
        found = () if text is None else tuple(idle_entries(parse_quarantine(text), refs, inputs.groups))
    except RollstepError as error:
        text, found = None, error.findings
    inputs.findings += [replace(finding, code="RS445") for finding in found]
    if text is not None:
        inputs.comments += scan_text(text, QUARANTINE_FILE)[0]
    if text is not None or found:
        inputs.files.append(QUARANTINE_FILE)


def _plain_texts(workspace: Workspace, ref: AppRef, settings: AppSettings) -> list[SourceText]:
    """Return the readable manifests of an app with unreadable ones; none where a command prints them."""
    texts: list[SourceText] = []
    files = Folder(workspace.root)
    for path in manifest_files(ref.folder, settings.output, files) if settings.source.argv is None else ():
        inside = Path(os.path.realpath(path)).is_relative_to(os.path.realpath(workspace.root))
        if inside and path.name.endswith(PLAIN) and path.name not in (*KUSTOMIZATIONS, "Chart.yaml") and path.is_file():
            with suppress(RollstepError):
                texts.append(_text(path, workspace))
    return texts


def _read_files(inputs: _Inputs, workspace: Workspace, paths: Sequence[str] | Sequence[Path]) -> None:
    """Read manifests outside of apps, as one group."""
    texts: list[SourceText] = []
    complete = True
    for path in paths:
        try:
            texts.append(_text(path, workspace))
        except RollstepError as error:
            inputs.findings += [_coded(one) for one in error.findings]
            inputs.files += [one.file for one in error.findings]
            complete = False
    if texts:
        inputs.add(texts, None, workspace.settings.for_app("", ""), complete=complete)


def _text(path: str | Path, workspace: Workspace) -> SourceText:
    if path == "-":
        return SourceText(STDIN, None, read_stream(sys.stdin.buffer, STDIN))
    place = workspace.cwd / path
    # A pipe such as `<(helm template …)` keeps its given name.
    shown = workspace.display_path(place.absolute()) if place.is_file() else str(path)
    return SourceText(shown, place, read_text(place, shown))


def _manifests_in(folder: Path, workspace: Workspace, apps: Sequence[AppRef]) -> Iterator[Path]:
    """Yield the files with Kubernetes objects in and below ``folder``.

    Skipped are apps, rendered folders, Helm charts (their templates are not YAML), Kustomizations, hidden files, links
    out of the repository, and files without an apiVersion.
    """
    app_folders = {os.path.realpath(ref.folder) for ref in apps}
    root = os.path.realpath(workspace.root)
    for parent, folders, names in os.walk(folder):
        if MARKER in names or "Chart.yaml" in names or os.path.realpath(parent) in app_folders:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if name.startswith(".") or not name.endswith(PLAIN) or name in KUSTOMIZATIONS or not path.is_file():
                continue
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
                continue
            if _API_VERSION.search(path.read_bytes().decode(errors="replace")):
                yield path


def _without_rollouts(findings: Sequence[Finding], manifests: Sequence[Manifest]) -> Iterator[Finding]:
    """Yield the findings about other objects than Rollouts, which the other checks validate by their own CRD.

    A finding belongs to the last object that begins before it.
    """
    starts: dict[str, list[tuple[tuple[int, int], bool]]] = {}
    for manifest in manifests:
        place = (manifest.source.position(()), kind_of(manifest) == ROLLOUT)
        starts.setdefault(manifest.source.file, []).append(place)
    for places in starts.values():
        places.sort()
    for finding in findings:
        places = starts.get(finding.file, [])
        index = bisect_right(places, ((finding.line, finding.column), True)) - 1
        if index < 0 or not places[index][1]:
            yield finding


def _coded(finding: Finding) -> Finding:
    codes = (code for code, words in _CODES if re.match(words, finding.message))
    return replace(finding, code=next(codes, "RS005"))
