"""``site``: makes the pages of a repository's releases in a folder, from the commit of HEAD alone.

Pages are made again only for apps whose inputs have changed: their folder's last commit, their settings, freezes, the
quarantine, and what they read elsewhere.  The files change all together or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from renderer import __version__
from renderer.errors import Finding, RollstepError, reporting
from renderer.git.objects import is_ancestor
from renderer.git.repository import Commit, Repository
from renderer.kubernetes.printing import to_json
from renderer.kubernetes.times import format_time
from renderer.kubernetes.yaml.reader import decode
from renderer.pipeline.load.marker import digest
from renderer.pipeline.write.journal import recover
from renderer.pipeline.write.new_files import NewFile, NewFiles
from renderer.pipeline.write.transaction import Transaction
from renderer.verbs import progress
from renderer.verbs.policy.approvals import TAGS
from renderer.verbs.policy.freeze import FREEZES_FILE, Freeze, active_freeze
from renderer.verbs.policy.freezes import parse_freezes
from renderer.verbs.policy.listed_image import QUARANTINE_FILE, ListedImage
from renderer.verbs.policy.quarantine import parse_quarantine
from renderer.verbs.site.events import AppHistory, last_changes, read_histories
from renderer.verbs.site.feeds import atom_feed
from renderer.verbs.site.links import app_page, feed, forge_links, release_page
from renderer.verbs.site.manifest import MARKER, Manifest, read_manifest
from renderer.verbs.site.pages import ASSETS, TEMPLATES, SiteInfo, app_pages, site_pages
from renderer.verbs.site.read import AppReader, Input
from renderer.verbs.site.records import AppRecord
from renderer.verbs.verify.app_state import AppLocation
from renderer.verbs.verify.loading import Loader


class MadeSite(Struct, frozen=True):
    """A site: its folder, the commit, the files written, removed and unchanged, and the problems of apps."""

    folder: Path
    commit: str
    written: int
    removed: int
    unchanged: int
    problems: tuple[Finding, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the site as JSON-ready data."""
        return {
            "folder": str(self.folder),
            "commit": self.commit,
            "written": self.written,
            "removed": self.removed,
            "unchanged": self.unchanged,
        }


def make_site(directory: str, folder: Path, schema: Mapping[str, Any], note: Callable[[str], object]) -> MadeSite:
    """Make the site of the repository of ``directory`` in ``folder``; ``schema`` is that of ``releases.json``.

    Raises RollstepError without a commit, for a shallow clone, for invalid settings, for a file of another owner in the
    folder, and if another run writes there.
    """
    repository = Repository.open(Path(directory))
    commit = _head(repository)
    with reporting(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)
    for line in recover(folder):
        note(line)
    old, owned = read_manifest(folder, _made_by())
    with Loader(repository) as loader, NewFiles(folder) as new_files:
        maker = _Maker(loader, commit, old if old is not None and _is_complete(folder, old) else None)
        planned = dict(maker.files(schema, new_files))
        return _write(new_files, maker, planned, owned)


class _Maker:
    """Makes the files of a site; ``old`` is the manifest of the site before, None without one."""

    def __init__(self, loader: Loader, commit: Commit, old: Manifest | None) -> None:
        self._loader, self.commit, self._old = loader, commit, old
        self._repository = loader.repository
        self._settings = loader.settings(commit.sha)
        self._links = forge_links(self._repository, self._settings.forge)
        self._freezes = self._read_freezes()
        self._listed = self._read_quarantine()
        self._reader = AppReader(loader, commit.sha, self._settings, self._links, self._listed)
        self.records: tuple[AppRecord, ...] = ()
        self.kept: dict[str, str] = {}
        """The SHA-256 of each file of an unchanged app, by path."""

    def files(self, schema: Mapping[str, Any], new_files: NewFiles) -> Iterator[tuple[str, NewFile]]:
        """Yield the path of each new file, which is written to the journal's folder."""
        known = {record.target: record for record in self._old.apps} if self._old is not None else {}
        inputs, unchanged = self._inputs(known)
        records = {record.target: record for record in unchanged}
        for reading in self._reader.read(inputs):
            records[reading.record.target] = reading.record
            for path, text in app_pages(reading, self._links):
                yield path, new_files.add(text.encode())
        self.records = tuple(record for _, record in sorted(records.items()))
        before = self._old.files if self._old is not None else {}
        self.kept = {path: before[path] for record in unchanged for path in _pages(record) if path in before}
        info = SiteInfo(self.commit.sha, self.commit.date, self._links, self._freezes, self._listed)
        for path, text in self._shared(info, schema):
            yield path, new_files.add(text.encode())

    def _shared(self, info: SiteInfo, schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield the path and the text of each file that is not of one app."""
        yield from site_pages(self.records, info)
        for environment in sorted({record.environment for record in self.records}):
            own = [record for record in self.records if record.environment == environment]
            yield feed(environment), atom_feed(environment, own, format_time(self.commit.date))
        releases = [release for record in self.records for release in record.releases]
        releases.sort(key=lambda release: (release.began, release.environment, release.app, release.id), reverse=True)
        yield "releases.json", msgspec.json.format(msgspec.json.encode(releases), indent=1).decode() + "\n"
        yield "releases.schema.json", to_json(schema)
        for path in sorted(ASSETS.iterdir()):
            yield path.name, path.read_text(encoding="utf-8")

    def _inputs(self, known: Mapping[str, AppRecord]) -> tuple[list[Input], list[AppRecord]]:
        """Return the apps to read, and the records of those whose inputs are the same."""
        settings, sha = self._settings, self.commit.sha
        base = self._old.commit if self._old is not None else ""
        since = base if base and is_ancestor(self._repository, base, sha) else ""
        known = known if since else {}
        touched = last_changes(self._repository, settings.environments_path, sha, since)
        outside = self._reader.outside({path for record in known.values() for path in record.outside})
        stale: list[tuple[AppLocation, str, str]] = []
        unchanged: list[AppRecord] = []
        for environment, app in self._loader.apps(sha, settings):
            location = AppLocation.of(settings, environment, app)
            before = known.get(f"{environment}/{app}")
            last = touched.get((environment, app)) or (before.commit if before is not None else sha)
            inputs = self._digest(location, last)
            is_same = before is not None and before.inputs == inputs and outside.items() >= before.outside.items()
            if is_same and before is not None:
                unchanged.append(before)
            elif self._reader.is_app(location):
                _check_name(location)
                stale.append((location, last, inputs))
        histories = read_histories(self._repository, [location for location, _, _ in stale], sha)
        found = zip(stale, progress.over(histories, "reading app"), strict=True)
        return [self._input(*place, history) for place, history in found], unchanged

    def _input(self, location: AppLocation, last: str, inputs: str, history: AppHistory) -> Input:
        return Input(location, history, last, inputs, self._freeze(location.environment))

    def _digest(self, location: AppLocation, last: str) -> str:
        """Return the digest of what an app's pages are made from, but for what it reads elsewhere."""
        own = self._settings.for_app(location.environment, location.app)
        freeze = self._freeze(location.environment)
        values = [
            last,
            own,
            self._links,
            None if freeze is None else (freeze.until, freeze.reason),
            self._approvals() if own.approvals else "",
            [
                (entry.image, entry.text, entry.lift)
                for entry in self._listed
                if entry.guards(location.environment, location.app)
            ],
        ]
        return digest(msgspec.json.encode(values, enc_hook=self._relative))

    def _relative(self, value: object) -> str:
        root = self._repository.root
        is_within = isinstance(value, Path) and value.is_relative_to(root)
        return value.relative_to(root).as_posix() if isinstance(value, Path) and is_within else str(value)

    @cache  # noqa: B019  # the maker lives as long as the run
    def _approvals(self) -> str:
        return self._repository.run("for-each-ref", "--format=%(objectname) %(refname)", TAGS).stdout.decode()

    @cache  # noqa: B019  # as above
    def _freeze(self, environment: str) -> Freeze | None:
        return active_freeze(self._freezes, environment, self.commit.date)

    def _read_freezes(self) -> tuple[Freeze, ...]:
        text = self._text(FREEZES_FILE)
        return () if text is None else parse_freezes(text)

    def _read_quarantine(self) -> tuple[ListedImage, ...]:
        text = self._text(QUARANTINE_FILE)
        return () if text is None else parse_quarantine(text)

    def _text(self, name: str) -> str | None:
        """Return the text of a file at the repository's root, None without it."""
        files = self._loader.files(self.commit.sha)
        content = files.read_own(f"{files.root}/{name}", name)
        return None if content is None else decode(content, name)


def _write(new_files: NewFiles, maker: _Maker, planned: Mapping[str, NewFile], owned: frozenset[str]) -> MadeSite:
    """Change the files of the site and its marker; return what was done."""
    files = {**maker.kept, **{path: new.digest for path, new in planned.items()}}
    manifest = Manifest(_made_by(), maker.commit.sha, maker.records, dict(sorted(files.items())))
    removed = sorted(owned - files.keys())
    _check_foreign(new_files.root, planned.keys() - owned)
    transaction = Transaction(new_files)
    transaction.plan([*planned.items(), *((path, None) for path in removed), (MARKER, manifest.to_json())])
    with progress.stage("writing"):
        changed = [entry for entry in transaction.commit() if entry.path != MARKER]
    _remove_empty(new_files.root, removed)
    written = sum(entry.new is not None for entry in changed)
    problems = (Finding(record.target, 0, 0, "", text) for record in maker.records for text in record.problems)
    return MadeSite(
        new_files.root, maker.commit.sha, written, len(changed) - written, len(files) - written, tuple(problems)
    )


def _head(repository: Repository) -> Commit:
    """Return the commit of HEAD; raise RollstepError without one, and for a shallow clone, whose history is cut."""
    sha = repository.head.sha
    if sha is None:
        raise RollstepError("there is no commit yet", hint="commit first: the site is made from git's history")
    if repository.run("rev-parse", "--is-shallow-repository").stdout.strip() == b"true":
        hint = "git fetch --unshallow (in a pipeline: a checkout with the whole history, fetch-depth: 0)"
        raise RollstepError("the clone is shallow: the history of releases is not all here", hint=hint)
    return repository.commits([sha])[0]


@cache
def _made_by() -> str:
    """Return the name of this program: its version, and the digest of its templates."""
    paths = [path for folder in (TEMPLATES, ASSETS) for path in sorted(folder.iterdir())]
    return f"rollstep {__version__} {digest(b''.join(path.read_bytes() for path in paths))[:16]}"


def _check_name(location: AppLocation) -> None:
    if not (location.environment.isprintable() and location.app.isprintable()):
        raise RollstepError.at(location.folder, "has unprintable characters in its name", "rename the folder")


def _check_foreign(root: Path, paths: Iterable[str]) -> None:
    """Raise RollstepError for each file that is there and that rollstep did not write."""
    message = "would be overwritten by a page of the site, but rollstep did not write it"
    hint = "choose another folder with --out"
    found = [path for path in sorted(paths) if (root / path).exists() or (root / path).is_symlink()]
    if found:
        raise RollstepError([Finding(path, 0, 0, "", message, hint) for path in found])


def _is_complete(folder: Path, manifest: Manifest) -> bool:
    """Return whether all files of a site are there."""
    return all((folder / path).is_file() for path in manifest.files)


def _pages(record: AppRecord) -> list[str]:
    """Return the paths of an app's pages, and of the data that they may have."""
    place = (record.environment, record.app)
    pages = [app_page(*place), *(release_page(*place, release.id) for release in record.releases)]
    return [*pages, *(page.removesuffix(".html") + ".js" for page in pages)]


def _remove_empty(root: Path, removed: Sequence[str]) -> None:
    """Remove the folders that removed files leave empty."""
    folders = {parent for path in removed for parent in Path(path).parents if parent.parts}
    for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
        with reporting(str(folder)):
            if (root / folder).is_dir() and not any((root / folder).iterdir()):
                (root / folder).rmdir()
