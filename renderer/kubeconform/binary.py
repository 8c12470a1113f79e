"""A run of the kubeconform binary over texts that lie nowhere yet."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

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
INSTALL = "python -m renderer.kubeconform.install"


@dataclass(frozen=True, slots=True, order=True)
class Verdict:
    """What a validator says of one document; ``message`` is empty unless it is invalid."""

    file: str
    api_version: str
    kind: str
    name: str
    status: Status
    message: str = ""


def find_kubeconform(configured: str | None = None) -> str | None:
    """Return the path of kubeconform; None where there is none.

    It is ``configured`` where that is given; else the one that a checkout of rollstep has in ``.tools/bin``, the one
    beside the interpreter (where ``python -m renderer.kubeconform.install`` puts it), or the first on ``PATH``.  Raises
    RollstepError where ``configured`` is no program.
    """
    if configured is not None:
        found = shutil.which(configured)
        if found is None:
            raise RollstepError(f"kubeconform: no such program: {configured}", hint=f"install it with: {INSTALL}")
        return found
    checkout = Path(__file__).resolve().parents[2] / ".tools" / "bin"
    for folder in (str(checkout), sysconfig.get_path("scripts"), None):
        found = shutil.which("kubeconform", path=folder)
        if found is not None:
            return found
    return None


def run_kubeconform(binary: str, files: Mapping[str, str], schemas: Path) -> list[Verdict]:
    """Return what ``kubeconform -strict`` says of each document of ``files`` (text by name), by file.

    ``schemas`` is a folder that :func:`renderer.kubeconform.schemas.schema_folder` has made; nothing else is read, and
    nothing fetched.  Raises RollstepError where kubeconform does not run or says nothing of a file.
    """
    if not files:
        return []
    with tempfile.TemporaryDirectory(prefix="rollstep-") as folder:
        names = dict(_write(Path(folder), files))
        command = [binary, "-strict", "-verbose", "-output", "json", "-ignore-missing-schemas"]
        command += ["-n", str(os.cpu_count() or 1), "-schema-location", LOCATION, folder]
        try:
            # Run where the schemas are: in a location, kubeconform takes '%' and '{{' of a path for its own syntax.
            done = subprocess.run(command, cwd=schemas, stdin=subprocess.DEVNULL, capture_output=True)
        except OSError as error:
            raise RollstepError(
                f"{binary} does not run: {error.strerror}", hint=f"install it with: {INSTALL}"
            ) from error
    return _verdicts(done, names)


def _write(folder: Path, files: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Write each text to a file of its own; yield the path and the name that it stands for."""
    for number, (name, text) in enumerate(files.items()):
        path = folder / f"{number:06}.yaml"
        path.write_text(text, encoding="utf-8")
        yield str(path), name


def _verdicts(done: subprocess.CompletedProcess[bytes], names: Mapping[str, str]) -> list[Verdict]:
    """Return the verdicts in kubeconform's JSON, in the order of ``names``: its workers answer in any order."""
    try:
        resources: Iterable[Mapping[str, Any]] = json.loads(done.stdout)["resources"]
        by_file: dict[str, list[Verdict]] = {path: [] for path in names}
        for resource in resources:
            by_file[resource["filename"]].append(
                Verdict(
                    names[resource["filename"]],
                    resource["version"],
                    resource["kind"],
                    resource["name"],
                    STATUSES[resource["status"]],
                    resource["msg"],
                )
            )
    except (ValueError, KeyError) as error:
        said = done.stderr.decode(errors="replace").strip() or "nothing"
        raise RollstepError(f"kubeconform (exit code {done.returncode}) is not understood; it said: {said}") from error
    unseen = [names[path] for path, verdicts in by_file.items() if not verdicts]
    if unseen:
        raise RollstepError(f"kubeconform says nothing of {', '.join(unseen)}")
    return [verdict for verdicts in by_file.values() for verdict in sorted(verdicts)]
