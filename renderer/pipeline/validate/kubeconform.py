"""A run of the kubeconform binary over texts that lie nowhere yet."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from renderer.errors import RollstepError

Status = Literal["valid", "invalid", "skipped"]
STATUSES: Mapping[str, Status] = {
    "statusValid": "valid",
    "statusInvalid": "invalid",
    "statusError": "invalid",
    "statusSkipped": "skipped",
    "": "valid",
}
"""kubeconform's words (pkg/output/json.go, v0.7.0); an empty document has none, and there is nothing wrong with it."""
LOCATION = "{{ .Group }}/{{ .ResourceKind }}-{{ .ResourceAPIVersion }}.json"
INSTALL = "python -m renderer.pipeline.validate.install"
BOUNDARY = "rollstep.boundary/v1"
"""The apiVersion of the objects that keep texts apart, of which there is no schema."""
WORTH_A_PROCESS = 200
"""Texts for which one more process takes less time than it needs to compile the schemas once more."""
_MAY_BE_MANY = re.compile(r"\n---|\blist\b|\\", re.IGNORECASE)
"""What every text has that is parted into several documents, or whose kind is List, however that is written."""


class Verdict(Struct, frozen=True, order=True):
    """What a validator says of one document; ``message`` is empty unless it is invalid."""

    file: str
    api_version: str
    kind: str
    name: str
    status: Status
    message: str = ""


def find_kubeconform(configured: str | None = None) -> str | None:
    """Return the path of kubeconform; None where there is none.

    ``configured`` comes first.  Otherwise it is the one in ``.tools/bin`` of a checkout, the one beside the interpreter
    (``python -m renderer.pipeline.validate.install`` puts it there), or the first on ``PATH``.  Raises RollstepError
    where ``configured`` is not a program.
    """
    if configured is not None:
        found = shutil.which(configured)
        if found is None:
            raise RollstepError(f"kubeconform: no such program: {configured}", hint=f"install it with: {INSTALL}")
        return found
    checkout = Path(__file__).resolve().parents[3] / ".tools" / "bin"
    for folder in (str(checkout), sysconfig.get_path("scripts"), None):
        found = shutil.which("kubeconform", path=folder)
        if found is not None:
            return found
    return None


def run_kubeconform(binary: str, files: Mapping[str, str], schemas: Path, jobs: int = 0) -> list[Verdict]:
    """Return what ``kubeconform -strict`` says of each document of ``files`` (text by name), by file.

    At most ``jobs`` processes do it, as many as there are processors where that is 0.

    ``schemas`` is a folder that ``schema_folder`` has made; nothing else is read, and
    nothing fetched.  Raises RollstepError where kubeconform does not run or does not judge all.
    """
    if not files:
        return []
    # A file for each text would take longer than the look at it, so each process gets one file with many, and a worker
    # alone keeps their order.  (A pipe would need no file, but v0.7.0 overwrites what its workers still read.)
    workers = min(jobs or os.cpu_count() or 1, 1 + len(files) // WORTH_A_PROCESS)
    parts = [Part.of({name: files[name] for name in [*files][first::workers]}) for first in range(workers)]
    command = [binary, "-strict", "-verbose", "-output", "json", "-ignore-missing-schemas", "-n", "1"]
    command += ["-schema-location", LOCATION]
    with tempfile.TemporaryDirectory(prefix="rollstep-") as folder, ExitStack() as stack:
        running = []
        for number, part in enumerate(parts):
            path = Path(folder) / f"{number}.yaml"
            path.write_text(part.text, encoding="utf-8")
            running.append(stack.enter_context(_started([*command, str(path)], schemas)))
        told = [process.communicate() for process in running]
    verdicts: dict[str, list[Verdict]] = {}
    for part, process, (stdout, stderr) in zip(parts, running, told, strict=True):
        try:
            verdicts |= part.verdicts(json.loads(stdout)["resources"])
        except (ValueError, KeyError) as error:
            said = stderr.decode(errors="replace").strip() or "nothing"
            message = f"kubeconform (exit code {process.returncode}) is not understood; it said: {said}"
            raise RollstepError(message) from error
    return [verdict for name in files for verdict in sorted(verdicts[name])]


def _started(command: list[str], schemas: Path) -> subprocess.Popen[bytes]:
    """Start kubeconform where the schemas are: in a location, it takes '%' and '{{' of a path for its own syntax."""
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(command, cwd=schemas, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    except OSError as error:
        raise RollstepError(
            f"{command[0]} does not run: {error.strerror}", hint=f"install it with: {INSTALL}"
        ) from error


class Part(Struct, frozen=True):
    """Texts that one process judges, one after another.

    Most of them hold one document that is no List, so that verdict follows verdict.  Any other may have none or many:
    it has a boundary before and behind, an object with a name that nobody else knows.  ``groups`` are the names
    between two boundaries.
    """

    text: str
    groups: list[list[str]]
    boundary: str

    @classmethod
    def of(cls, files: Mapping[str, str]) -> Part:
        """Lay texts (by name) out as one."""
        boundary = f"b{secrets.token_hex(16)}"
        mark = f"apiVersion: {BOUNDARY}\nkind: Boundary\nmetadata: {{name: {boundary}}}"
        texts: list[str] = []
        groups: list[list[str]] = [[]]
        for name, text in files.items():
            if text and not _MAY_BE_MANY.search(text):
                texts.append(text)
                groups[-1].append(name)
            else:
                texts += [mark, text, mark]
                groups += [[name], []]
        return cls("\n---\n".join(texts) + "\n", groups, boundary)

    def verdicts(self, resources: Iterable[Mapping[str, Any]]) -> dict[str, list[Verdict]]:
        """Return the verdicts by file; raises RollstepError where some are missing, KeyError where a field is."""
        told: list[list[Mapping[str, Any]]] = [[]]
        for resource in resources:
            if resource["version"] == BOUNDARY and resource["name"] == self.boundary:
                told.append([])
            else:
                told[-1].append(resource)
        found: dict[str, list[Verdict]] = {}
        for position, (group, judged) in enumerate(zip(self.groups, told, strict=False)):
            if position % 2:
                nothing = Verdict(group[0], "", "", "", "valid")
                found[group[0]] = [_verdict(group[0], each) for each in judged] or [nothing]
            elif len(judged) == len(group):
                found |= {name: [_verdict(name, each)] for name, each in zip(group, judged, strict=True)}
        names = [name for group in self.groups for name in group]
        unseen = [name for name in names if name not in found]
        if unseen or len(told) != len(self.groups):
            raise RollstepError(f"kubeconform does not judge all of {len(names)} files, such as {(unseen or names)[0]}")
        return found


def _verdict(name: str, resource: Mapping[str, Any]) -> Verdict:
    status = STATUSES[resource["status"]]
    return Verdict(name, resource["version"], resource["kind"], resource["name"], status, resource["msg"])
