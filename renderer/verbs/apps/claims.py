"""Objects that the releases of two apps would both write: the one would replace the other's."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Manifest, ObjectKey
from renderer.pipeline.commit.part import Part
from renderer.pipeline.load.app import load_app
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.files import Folder
from renderer.pipeline.load.workspace import Workspace
from renderer.pipeline.render.files import file_names
from renderer.pipeline.resolve.release import read_rollout
from renderer.rollouts.controller.managed_objects import created_objects

MADE_KINDS = ("ingress-", "mapping-", "trafficsplit-", "apisixroute-")
"""The beginnings of the file names of objects that routers make."""

Claims = Mapping[str, Mapping[str, str | None]]
"""The rendered files of an environment: their text by path, None for a file on disk, by file name."""


def claimed(workspace: Workspace, parts: Sequence[Part]) -> Iterator[tuple[Part, Finding]]:
    """Yield each part that makes an object of another app of its environment, or has one that another makes.

    Each comes with its finding.  ``Part.makes`` are the objects that a part makes; of two apps that have the same
    object among their manifests, the linter tells.
    """
    by_environment: dict[str, tuple[dict[Path, AppRef], Claims]] = {}
    for part in parts:
        environment = part.home.ref.environment
        new = {os.path.basename(path): path for path in _new_files(part)}
        if not part.makes and not new:
            continue
        if environment not in by_environment:
            refs = [ref for ref in workspace.apps(()) if ref.environment == environment]
            outputs = {workspace.home(ref).output: ref for ref in refs}
            by_environment[environment] = outputs, _claims(outputs, parts)
        outputs, claims = by_environment[environment]
        made = {file_names([key])[key]: key for key in part.makes}
        for name in sorted({*made, *new}):
            for path, text in claims.get(name, {}).items():
                if Path(path).parent == part.home.output:
                    continue
                keys = _keys(path, text)
                if name in made:
                    found = keys & {made[name]}
                else:
                    found = keys & _keys(new[name], claims[name].get(new[name]))
                    found = found and found & _made_by(workspace, outputs.get(Path(path).parent))
                for key in found:
                    yield part, _finding(workspace, part, key, path)


def _new_files(part: Part) -> Iterator[str]:
    """Yield the paths of files that a part adds, of kinds that routers make."""
    for path, content in part.planned:
        name = os.path.basename(path)
        if content is not None and name.startswith(MADE_KINDS) and not os.path.exists(path):
            yield path


def _made_by(workspace: Workspace, ref: AppRef | None) -> set[ObjectKey]:
    """Return the objects that the routers of an app make; none without the app."""
    if ref is not None:
        with suppress(RollstepError):
            app = load_app(ref, workspace.settings, Folder(workspace.root))
            return set(created_objects(read_rollout(app)))
    return set()


def _claims(outputs: Collection[Path], parts: Sequence[Part]) -> Claims:
    """Return the files of some output folders, with those that ``parts`` write and without those that they delete."""
    claims: dict[str, dict[str, str | None]] = {}
    for output in outputs:
        with suppress(OSError):
            for name in os.listdir(output):
                claims.setdefault(name, {})[str(output / name)] = None
    for part in parts:
        for path, content in part.planned if part.home.output in outputs else ():
            files = claims.setdefault(os.path.basename(path), {})
            if content is None:
                files.pop(path, None)
            elif Path(path).parent == part.home.output:
                files[path] = content if isinstance(content, str) else part.texts.get(os.path.basename(path))
    return claims


def _keys(path: str, text: str | None) -> set[ObjectKey]:
    from renderer.kubernetes.yaml.reader import load_documents, read_text

    with suppress(RollstepError, OSError):
        documents = load_documents(read_text(Path(path)) if text is None else text, path)
        return {Manifest(document.value).key for document in documents if isinstance(document.value, dict)}
    return set()


def _finding(workspace: Workspace, part: Part, key: ObjectKey, other: str) -> Finding:
    place = workspace.display_path(Path(other))
    message = f"{key.kind} {key.name}, which a release makes, is also an object of another app ({place})"
    hint = "the one would replace the other: rename the Rollout, or the object that it is named after"
    return Finding(f"{part.home.output_path}/{os.path.basename(other)}", 0, 0, "", message, hint)
