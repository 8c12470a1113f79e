"""Running the kubeconform binary over texts that are not written yet."""

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
"""The statuses of kubeconform (pkg/output/json.go, v0.7.0); that of an empty document is empty."""
LOCATION = "{{ .Group }}/{{ .ResourceKind }}-{{ .ResourceAPIVersion }}.json"
INSTALL = "python -m renderer.pipeline.validate.install"
BOUNDARY = "rollstep.boundary/v1"
"""The apiVersion of the objects between texts; it has no schema."""
WORTH_A_PROCESS = 200
"""The number of texts that pays for one more process, which has to compile the schemas again."""
_MAY_BE_MANY = re.compile(r"\n---|\blist\b|\\", re.IGNORECASE)
"""Matches every text with several documents or of the kind List, in any spelling."""


class Verdict(Struct, frozen=True, order=True):
    """A validator's result for one document; ``message`` is empty unless it is invalid."""

    file: str
    api_version: str
    kind: str
    name: str
    status: Status
    message: str = ""


def find_kubeconform(configured: str | None = None) -> str | None:
    """Return the path of kubeconform; None without one.

    It is ``configured``, else the one in ``.tools/bin`` of a checkout, the one beside the interpreter (where
    ``python -m renderer.pipeline.validate.install`` writes it), or the first on ``PATH``.  Raises RollstepError where
    ``configured`` is not a program.
    """
    if configured is not None:
        found = shutil.which(configured)
        if found is None:
            raise RollstepError(f"kubeconform: no such program: {configured}", hint=f"install it with: {INSTALL}")
        return found
    checkout = Path(__file__).resolve().parents[3] / ".tools" / "bin"
    places = (str(checkout), sysconfig.get_path("scripts"), None)
    return next(filter(None, (shutil.which("kubeconform", path=place) for place in places)), None)


def run_kubeconform(binary: str, files: Mapping[str, str], schemas: Path, jobs: int = 0) -> list[Verdict]:
    """Return the verdicts of ``kubeconform -strict`` on each document of ``files`` (text by name), by file.

    ``schemas`` is a folder of ``schema_folder``; nothing else is read, and nothing is fetched.  ``jobs`` is the most
    processes to run, 0 for one per processor.  Raises RollstepError where kubeconform does not run or skips a text.
    """
    if not files:
        return []
    # Writing a file for each text would take longer than validating it, so each process gets one file with many texts.
    # A single worker (-n 1) keeps their order.  v0.7.0 cannot read a pipe: it overwrites what its workers still read.
    workers = min(jobs or os.cpu_count() or 1, 1 + len(files) // WORTH_A_PROCESS)
    batches = [Batch.of({name: files[name] for name in [*files][first::workers]}) for first in range(workers)]
    command = [binary, "-strict", "-verbose", "-output", "json", "-ignore-missing-schemas", "-n", "1"]
    command += ["-schema-location", LOCATION]
    with tempfile.TemporaryDirectory(prefix="rollstep-") as folder, ExitStack() as stack:
        running = []
        for number, batch in enumerate(batches):
            path = Path(folder) / f"{number}.yaml"
            path.write_text(batch.text, encoding="utf-8")
            running.append(stack.enter_context(_started([*command, str(path)], schemas)))
        outputs = [process.communicate() for process in running]
    verdicts: dict[str, list[Verdict]] = {}
    for batch, process, (stdout, stderr) in zip(batches, running, outputs, strict=True):
        try:
            verdicts |= batch.verdicts(json.loads(stdout)["resources"])
        except (ValueError, KeyError) as error:
            printed = stderr.decode(errors="replace").strip()
            message = f"kubeconform (exit code {process.returncode}) printed no results"
            raise RollstepError(f"{message}: {printed}" if printed else message) from error
    return [verdict for name in files for verdict in sorted(verdicts[name])]


def _started(command: list[str], schemas: Path) -> subprocess.Popen[bytes]:
    """Start kubeconform in the folder of schemas: '%' and '{{' of its path would be syntax in a schema location."""
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(command, cwd=schemas, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    except OSError as error:
        hint = f"install it with: {INSTALL}"
        raise RollstepError(f"{command[0]} does not run: {error.strerror}", hint=hint) from error


class Batch(Struct, frozen=True):
    """The texts that one process validates, one after another.

    Most texts have one document that is not a List, so there is one result for each.  Any other text may have none or
    many, so it stands between two boundaries: objects with a random name.  ``groups`` are the names between boundaries.
    """

    text: str
    groups: list[list[str]]
    boundary: str

    @classmethod
    def of(cls, files: Mapping[str, str]) -> Batch:
        """Return a batch of texts (by name)."""
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
        """Return the verdicts by file; raises RollstepError for missing verdicts, KeyError for missing fields."""
        results: list[list[Mapping[str, Any]]] = [[]]
        for resource in resources:
            if resource["version"] == BOUNDARY and resource["name"] == self.boundary:
                results.append([])
            else:
                results[-1].append(resource)
        found: dict[str, list[Verdict]] = {}
        for position, (group, found_there) in enumerate(zip(self.groups, results, strict=False)):
            if position % 2:
                empty = Verdict(group[0], "", "", "", "valid")
                found[group[0]] = [_verdict(group[0], each) for each in found_there] or [empty]
            elif len(found_there) == len(group):
                found |= {name: [_verdict(name, each)] for name, each in zip(group, found_there, strict=True)}
        names = [name for group in self.groups for name in group]
        missing = [name for name in names if name not in found]
        if missing or len(results) != len(self.groups):
            raise RollstepError(f"kubeconform skipped some of {len(names)} files, such as {(missing or names)[0]}")
        return found


def _verdict(name: str, resource: Mapping[str, Any]) -> Verdict:
    status = STATUSES[resource["status"]]
    return Verdict(name, resource["version"], resource["kind"], resource["name"], status, resource["msg"])
