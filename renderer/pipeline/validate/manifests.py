"""Validation of rendered files by the strict schemas of a Kubernetes version, read from disk."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.encrypted import without_signature
from renderer.pipeline.load.discover import Home
from renderer.pipeline.load.sources import KUSTOMIZATION
from renderer.pipeline.render.templates import is_overridden
from renderer.pipeline.validate.kubeconform import Verdict, find_kubeconform, run_kubeconform
from renderer.pipeline.validate.schemas import schema_folder, schema_path

NEVER_APPLIED = "kustomize.config.k8s.io/"
"""The API group of ``kustomization.yaml``, which is not an object of the cluster."""


class Validation(Struct, frozen=True):
    """The refusals, the objects without a schema (a ServiceMonitor), and kubeconform's path, or ``built-in``."""

    findings: tuple[Finding, ...]
    skipped: tuple[Finding, ...]
    validator: str

    def require(self) -> None:
        """Raise RollstepError with all findings, if any."""
        if self.findings:
            raise RollstepError(self.findings)


def check_files(
    rendered: Sequence[tuple[Home, Mapping[str, str]]], note: Callable[[str], object], jobs: int = 0
) -> None:
    """Validate rendered files, in one run of the validator for all apps with the same schemas.

    ``note`` gets a message for each object without a schema.  ``jobs`` is the most processes to run, 0 for one per
    processor.  Raises RollstepError with all findings.
    """
    groups: dict[tuple[str, tuple[Path, ...]], dict[str, str]] = {}
    for home, texts in rendered:
        files = groups.setdefault((home.settings.kubernetes_version, home.settings.schemas), {})
        # Rollstep's own kustomization is not an object; a user's template could render one in its place.
        is_own = not is_overridden(f"{KUSTOMIZATION}.j2", home.settings.templates)
        names = [name for name in texts if not (is_own and name == KUSTOMIZATION)]
        files.update((f"{home.output_path}/{name}", texts[name]) for name in names)
    findings: list[Finding] = []
    for (version, own), files in sorted(groups.items()):
        validation = validate(files, version, own=own, jobs=jobs)
        findings += validation.findings
        for skipped in validation.skipped:
            note(f"note: {skipped.text()}")
    if findings:
        raise RollstepError(findings)


def validate(
    files: Mapping[str, str],
    kubernetes_version: str,
    *,
    own: Sequence[Path] = (),
    kubeconform: str | None = None,
    cache: Path | None = None,
    jobs: int = 0,
) -> Validation:
    """Validate the manifests in ``files`` (text by name) by the strict schemas of ``kubernetes_version`` (``1.34``).

    ``kubeconform`` is the program, by default that of ``find_kubeconform``; without one, or for ``built-in``, the
    built-in validator reads the same schemas, with the same results.  ``own`` are files and folders with the user's
    schemas of custom resources; ``cache`` is the folder of converted schemas, by default the user's cache folder;
    ``jobs`` is as in ``check_files``.  Objects without a schema are skipped.  The fields that SOPS adds are not
    validated.  Nothing is fetched.  Raises RollstepError for a version without schemas, and where kubeconform does not
    run.
    """
    schemas = schema_folder(kubernetes_version, cache, own)
    files = {name: without_signature(text) for name, text in files.items()}
    binary = None if kubeconform == "built-in" else find_kubeconform(kubeconform)
    if binary is None:
        from renderer.pipeline.validate.builtin import check

        documents = list(check(files, schemas))
        verdicts = [document.verdict for document in documents]
        findings = [finding for document in documents for finding in document.findings]
    else:
        verdicts = _recheck_skipped(run_kubeconform(binary, files, schemas, jobs), files, schemas)
        findings = _explain(verdicts, files, schemas)
    unknown = (verdict for verdict in verdicts if verdict.status == "skipped")
    unknown = (verdict for verdict in unknown if not verdict.api_version.startswith(NEVER_APPLIED))
    skipped = tuple(_skipped(verdict, kubernetes_version) for verdict in unknown)
    return Validation(tuple(findings), skipped, binary or "built-in")


def _skipped(verdict: Verdict, kubernetes_version: str) -> Finding:
    kind = f"{verdict.api_version} {verdict.kind}"
    message = f"not validated: Kubernetes {kubernetes_version} has no {kind}, so there is no schema"
    return Finding(verdict.file, 0, 0, "", message, "add its CustomResourceDefinition to the setting schemas")


def _recheck_skipped(verdicts: list[Verdict], files: Mapping[str, str], schemas: Path) -> list[Verdict]:
    """Return kubeconform's verdicts with refusals in place of wrongly skipped documents.

    kubeconform reads a number as ``apiVersion`` or ``kind`` as text, and skips the document.  It also skips an object
    whose schema it cannot read; that raises RollstepError.
    """
    skipped = [verdict for verdict in verdicts if verdict.status == "skipped" and not _is_kustomization(verdict)]
    for verdict in skipped:
        schema = schemas / schema_path(verdict.api_version, verdict.kind)
        if os.path.isfile(schema):
            raise RollstepError(f"kubeconform cannot read the schema {schema}", hint="remove the folder of schemas")
    if not skipped:
        return verdicts
    from renderer.pipeline.validate.builtin import check

    names = sorted({verdict.file for verdict in skipped})
    rechecked = [document.verdict for document in check({name: files[name] for name in names}, schemas)]
    refused = {verdict.file: verdict for verdict in rechecked if verdict.status == "invalid"}
    return [refused.get(verdict.file, verdict) if verdict.status == "skipped" else verdict for verdict in verdicts]


def _is_kustomization(verdict: Verdict) -> bool:
    # Every folder has one, and it has no schema.
    return verdict.kind == "Kustomization" and verdict.api_version.startswith(NEVER_APPLIED)


def _explain(verdicts: list[Verdict], files: Mapping[str, str], schemas: Path) -> list[Finding]:
    """Return findings with line and field for every file that kubeconform refuses.

    kubeconform names fields only within its messages, so the built-in validator finds them; a refusal that it does not
    find keeps kubeconform's message.
    """
    refused: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.status == "invalid":
            refused.setdefault(verdict.file, []).append(verdict)
    if not refused:
        return []
    from renderer.pipeline.validate.builtin import check

    findings: dict[str, list[Finding]] = {file: [] for file in refused}
    for document in check({file: files[file] for file in refused}, schemas):
        findings[document.verdict.file] += document.findings
    for file, found in findings.items():
        if not found:
            found += map(_as_finding, refused[file])
    return [finding for found in findings.values() for finding in found]


def _as_finding(verdict: Verdict) -> Finding:
    """Return kubeconform's own message as a finding, with the line that it names."""
    line = re.search(r"\bline (\d+)", verdict.message)
    message = " ".join(verdict.message.split())
    return Finding(verdict.file, int(line[1]) if line else 0, 0, "", message)
