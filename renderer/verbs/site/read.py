"""Reads apps of one commit for their pages: the release now, the releases before, and the files of each step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice, pairwise
from typing import Any

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.images import version_text
from renderer.kubernetes.manifest import Body
from renderer.kubernetes.times import minute_text, parse_time
from renderer.kubernetes.yaml.reader import decode, load_documents
from renderer.pipeline.load.analysis_runs import load_runs
from renderer.pipeline.load.discover import AppRef, Home, orphan_finding
from renderer.pipeline.load.last_render import read_last_render
from renderer.pipeline.load.marker import digest
from renderer.pipeline.load.settings import Settings
from renderer.pipeline.load.sources import manifest_files
from renderer.pipeline.load.status_file import load_state
from renderer.pipeline.render.files import render_release
from renderer.pipeline.resolve.course import course
from renderer.pipeline.resolve.describe import COMMITTED, HELD, version_of, wait_text
from renderer.pipeline.resolve.moves import Wait
from renderer.pipeline.resolve.release import Release, resolve_app
from renderer.rollouts.model.rollout import EPOCH
from renderer.verbs.apps.status_history import waits_of
from renderer.verbs.policy.approvals import Approvals, distinct_people
from renderer.verbs.policy.freeze import Freeze
from renderer.verbs.policy.listed_image import ListedImage, waiting_image_text
from renderer.verbs.show.plan import make_plan
from renderer.verbs.show.planned import Plan
from renderer.verbs.show.tree import images, rollout_info
from renderer.verbs.site.diffs import Diffs, diffs_of
from renderer.verbs.site.events import AppHistory, Event
from renderer.verbs.site.links import Links
from renderer.verbs.site.measurements import Runs, runs_of_events
from renderer.verbs.site.records import RUNNING, AppRecord, ReleaseCommit, ReleaseRecord
from renderer.verbs.site.releases import Span, commit_record, is_healthy, record_of, spans_of
from renderer.verbs.verify.app_state import AppLocation, read_state
from renderer.verbs.verify.loading import Loader

_SECRET = "secret-"


class Reading(Struct, frozen=True):
    """An app with all that its pages show.

    ``plan`` are the commits to come of a release under way or of a version that waits, None without either.  ``diffs``
    has the differences between the steps of each release by its id: what was before (but for the first one), its
    commits, then those of the plan.
    """

    record: AppRecord
    plan: Plan | None
    diffs: Mapping[str, Diffs]


class Input(Struct, frozen=True):
    """An app to read: its place, its history, its last commit, the digest of its inputs, and its freeze."""

    location: AppLocation
    history: AppHistory
    commit: str
    inputs: str
    freeze: Freeze | None


class AppReader:
    """Reads apps of the commit ``sha``; ``listed`` are the images in quarantine."""

    def __init__(
        self, loader: Loader, sha: str, settings: Settings, links: Links, listed: Sequence[ListedImage]
    ) -> None:
        self._loader, self._sha, self._settings, self._links = loader, sha, settings, links
        self._listed = listed
        self._root = loader.repository.root
        self._approvals = Approvals(loader.repository)

    def is_app(self, location: AppLocation) -> bool:
        """Return whether a folder is an app or an orphan: it has manifests, a command's, or a status."""
        return self._has_sources(location) or self._has_status(location)

    def read(self, inputs: Sequence[Input]) -> Iterator[Reading]:
        """Yield each app in order; an app that cannot be opened has the findings as its problems."""
        opened = [self._open(item) for item in inputs]
        releases = [release for release in opened if isinstance(release, Release)]
        waits = iter(waits_of(releases))
        times = self._times([item.commit for item in inputs])
        for item, release in zip(inputs, opened, strict=True):
            wait = next(waits) if isinstance(release, Release) else None
            yield self._reading(item, release, wait, times[item.commit])

    def _times(self, shas: Iterable[str]) -> dict[str, datetime]:
        wanted = list(dict.fromkeys(shas))
        return {commit.sha: commit.date for commit in self._loader.repository.commits(wanted)}

    def _has_sources(self, location: AppLocation) -> bool:
        own = self._settings.for_app(location.environment, location.app)
        files = manifest_files(self._root / location.folder, own.output, self._loader.files(self._sha))
        return own.source.argv is not None or next(files, None) is not None

    def _has_status(self, location: AppLocation) -> bool:
        return read_state(self._loader.objects, self._sha, location).exists

    def _open(self, item: Input) -> Release | tuple[Finding, ...]:
        location = item.location
        if not self._has_sources(location):
            home = self._home(location)
            return (orphan_finding(home),)
        try:
            return self._release(location, item.history.events)
        except RollstepError as error:
            return error.findings

    def _home(self, location: AppLocation) -> Home:
        ref = AppRef(location.environment, location.app, self._root / location.folder)
        return Home(ref, self._settings.for_app(location.environment, location.app), self._root)

    def _release(self, location: AppLocation, events: Sequence[Event]) -> Release:
        """Return the release of an app as of its last commit, whose time is the present."""
        files, root = self._loader.files(self._sha), self._root
        app = self._loader.app(self._sha, location)
        text = files.read_own(f"{root}/{location.status_file}", location.status_file)
        state = None if text is None else load_state(decode(text, location.status_file), location.status_file)
        rendered = read_last_render(root / location.output, location.output, state, files)
        times = [event.time for event in events[-1:]] + ([state.last_update_time] if state is not None else [])
        text = files.read_own(f"{root}/{location.runs_file}", location.runs_file)
        runs = () if text is None else load_runs(decode(text, location.runs_file), location.runs_file)
        return resolve_app(app, root, state, rendered.manifests, max(times, default=EPOCH), runs)

    def _reading(
        self, item: Input, opened: Release | tuple[Finding, ...], wait: Wait | None, time: datetime
    ) -> Reading:
        release = opened if isinstance(opened, Release) else None
        location, spans = item.location, spans_of(item.history.events)
        problems = [*item.history.problems, *(() if isinstance(opened, Release) else opened)]
        runs, wrong = runs_of_events(self._loader.objects, location.runs_file, item.history.events)
        problems += wrong
        records = tuple(self._records(item, spans, release, runs))
        info = self._info(release, wait)
        plan, coming = self._coming(release) if release is not None and _goes_on(info) else (None, ())
        freeze = item.freeze
        record = AppRecord(
            environment=location.environment,
            app=location.app,
            commit=item.commit,
            time=time,
            inputs="" if problems else item.inputs,
            outside=self.outside(self._outside(location, release)) if release is not None else {},
            info=info,
            problems=tuple(finding.text() for finding in dict.fromkeys(problems)),
            is_orphan=not self._has_sources(location),
            frozen=None if freeze is None else f"{minute_text(freeze.until)}: {freeze.reason}",
            releases=records,
        )
        events = item.history.events
        before = {id(event): older for older, event in pairwise(events)}
        diffs = {
            span.id: self._diffs(before.get(id(span.events[0])), span, coming if record.outcome == RUNNING else ())
            for span, record in zip(spans, records, strict=True)
        }
        return Reading(record, plan, diffs)

    def _info(self, release: Release | None, wait: Wait | None) -> Mapping[str, Any] | None:
        """Return the entry of ``get`` of a release; what a time ends is said without the rest of the time."""
        if release is None:
            return None
        ref, world = release.app.ref, release.world
        info = rollout_info(world, ref.target, wait, waiting_image_text(self._listed, ref, world)).to_dict()
        if wait is not None and wait.reason == HELD:
            info["message"] = wait_text(wait, world, ref.target)
        elif info["reason"] is not None and info["until"] is not None:
            info["message"] = f"{info['reason']} until {minute_text(parse_time(info['until']))}"
        return info

    def outside(self, paths: Iterable[str]) -> dict[str, str]:
        """Return the object at each path in the commit, the root for an empty one; empty for a missing one."""
        objects = self._loader.objects
        found = {path: objects.find(self._sha, path) if path else objects.root_tree(self._sha) for path in paths}
        return {path: "" if entry is None else entry.sha for path, entry in found.items()}

    def _outside(self, location: AppLocation, release: Release) -> list[str]:
        """Return what an app reads outside of its folder: files, folders of commands and of templates; "" is all."""
        own = release.app.settings
        reads = ["" if path == "." else path.rstrip("/") for path in own.source.reads] if own.source.argv else []
        files = [path for path in release.app.files if not path.is_relative_to(self._root / location.folder)]
        if own.templates is not None:
            files.append(own.templates)
        return sorted({*reads, *(path.relative_to(self._root).as_posix() for path in files)})

    def _records(
        self, item: Input, spans: Sequence[Span], release: Release | None, runs: Runs
    ) -> Iterator[ReleaseRecord]:
        place = (item.location.environment, item.location.app)
        healthy = [event.time for event in item.history.events if is_healthy(event)]
        for at, span in enumerate(spans):
            shown = self._version(span, release)
            commits = tuple(self._commits(item.location, span, runs))
            yield record_of(place, spans, at, item.history.sources, *shown, commits, healthy)

    def _commits(self, location: AppLocation, span: Span, runs: Runs) -> Iterator[ReleaseCommit]:
        own = self._settings.for_app(location.environment, location.app)
        for event in span.events:
            approvals: tuple[str, ...] = ()
            if own.approvals:
                approvals = distinct_people(self._approvals.of(event.commit.sha), own.approvers)
            yield commit_record(event, self._links, approvals, runs.get(id(event), ()))

    def _version(self, span: Span, release: Release | None) -> tuple[str, tuple[str, ...]]:
        """Return the version and the images of a release."""
        found = release.world.replica_set_by_hash(span.pod_template_hash) if release is not None else None
        if release is not None and found is not None:
            return version_of(release.world, found), images(found.template)
        template = self._template(span)
        return (version_text(template), images(template)) if template else ("", ())

    def _template(self, span: Span) -> Body:
        """Return the pod template of a release from the ReplicaSet of its first commit; empty if it is missing."""
        tree = span.events[0].tree
        files = self._loader.objects.tree(tree) if tree else {}
        for name in sorted(files):
            if name.startswith("replicaset-") and span.pod_template_hash in name:
                text = decode(self._loader.objects.content(files[name].sha, name), name)
                for document in load_documents(text, name):
                    body: Body = document.value["spec"]["template"]
                    return body
        return {}

    def _coming(self, release: Release) -> tuple[Plan | None, Sequence[Mapping[str, str]]]:
        """Return the plan of what is under way or waits, and the files after each of its commits."""
        try:
            plan = make_plan(release.world)
            moves = islice(course(release.world), len(plan.commits))
            files = [_shown(render_release(release, move.after).files) for move, _ in moves]
        except RollstepError:
            # The reason is a finding of `rollstep plan`; what has been done is shown all the same.
            return None, ()
        return (plan, files) if plan.commits else (None, ())

    def _diffs(self, before: Event | None, span: Span, coming: Sequence[Mapping[str, str]]) -> Diffs:
        """Return the differences between what was ``before`` the release, its commits, and those to come."""
        events = [*([] if before is None else [before]), *span.events]
        if len(events) + len(coming) == 1:
            return Diffs(({},), {})
        return diffs_of([*(self._files(event.tree) for event in events), *coming])

    def _files(self, tree: str) -> Mapping[str, str]:
        """Return the text of each file of an output folder."""
        objects = self._loader.objects
        files = {name: file.sha for name, file in objects.tree(tree).items() if file.mode == "100644"} if tree else {}
        contents = objects.contents(files.values())
        return _shown({name: contents[sha].decode(errors="replace") for name, sha in files.items()})


def _goes_on(info: Mapping[str, Any] | None) -> bool:
    """Return whether a release is not complete, a version waits, or old pods are still to go."""
    if info is None:
        return False
    return info["phase"] != COMMITTED or info["waitingVersion"] is not None or info["until"] is not None


def _shown(files: Mapping[str, str]) -> dict[str, str]:
    """Return the files to compare: no marker, and of a Secret only its digest."""
    return {
        name: f"SHA-256 {digest(text.encode())}\n" if name.startswith(_SECRET) else text
        for name, text in sorted(files.items())
        if not name.startswith(".")
    }
