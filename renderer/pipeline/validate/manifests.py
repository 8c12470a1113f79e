"""Validation of what is rendered: kubeconform ``-strict`` with the schemas of a Kubernetes version, from disk."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
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
"""The API group of ``kustomization.yaml``, which tells a tool what to apply and is no object itself."""


class Validation(Struct, frozen=True):
    """What validation says of a set of files.

    ``findings`` are what is wrong.  ``skipped`` are the objects that there is no schema of (a ServiceMonitor), which
    are neither right nor wrong; ``validator`` is the path of the kubeconform that judged, or ``built-in``.
    """

    findings: tuple[Finding, ...]
    skipped: tuple[Finding, ...]
    validator: str

    def require(self) -> None:
        """Raise RollstepError with all findings where there are any."""
        if self.findings:
            raise RollstepError(self.findings)


def check_files(
    rendered: Sequence[tuple[Home, Mapping[str, str]]], note: Callable[[str], object], jobs: int = 0
) -> None:
    """Validate what was rendered, in one run of the validator for all apps with the same schemas.

    ``jobs`` is how many processes may do it, 0 for one for each processor; ``note`` is told of each object that there
    is no schema of.  Raises RollstepError with everything that is wrong.
    """
    groups: dict[tuple[str, tuple[Path, ...]], dict[str, str]] = {}
    for home, texts in rendered:
        files = groups.setdefault((home.settings.kubernetes_version, home.settings.schemas), {})
        # Rollstep's own kustomization is no object; what a user's template makes of it could be one.
        is_own = not is_overridden(f"{KUSTOMIZATION}.j2", home.settings.templates)
        files.update((f"{home.shown}/{n}", text) for n, text in texts.items() if not (is_own and n == KUSTOMIZATION))
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
    """Judge the manifests in ``files`` (text by name) by the strict schemas of ``kubernetes_version`` (``1.34``).

    ``kubeconform`` is the program to ask: by default the one that ``find_kubeconform`` finds, and where there is
    none, or it is ``built-in``, jsonschema reads the same schemas and comes to the same verdicts.
    ``own`` are files and folders with the user's schemas of custom resources, ``cache`` is where schemas are kept, by
    default the user's cache folder; ``jobs`` is as in ``check_files``.  An object of a kind that nobody has a
    schema of is skipped, not refused; what SOPS adds to a document is no part of the object.  Nothing is fetched.
    Raises RollstepError where there are no schemas of the version, or where kubeconform does not run.
    """
    schemas = schema_folder(kubernetes_version, cache, own)
    texts = {name: without_signature(text) for name, text in files.items()}
    return _judge(texts, schemas, kubernetes_version, kubeconform, jobs)


def _judge(
    files: Mapping[str, str], schemas: Path, kubernetes_version: str, kubeconform: str | None, jobs: int
) -> Validation:
    binary = None if kubeconform == "built-in" else find_kubeconform(kubeconform)
    if binary is None:
        from renderer.pipeline.validate.builtin import check

        documents = list(check(files, schemas))
        verdicts = [document.verdict for document in documents]
        findings = [finding for document in documents for finding in document.findings]
    else:
        verdicts = _looked_through(run_kubeconform(binary, files, schemas, jobs), files, schemas)
        findings = _explain(verdicts, files, schemas)
    skipped = [_skipped(verdict, kubernetes_version) for verdict in _without_schema(verdicts)]
    return Validation(tuple(findings), tuple(skipped), binary or "built-in")


def _without_schema(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return the verdicts on objects that there is no schema of."""
    skipped = (verdict for verdict in verdicts if verdict.status == "skipped")
    return [verdict for verdict in skipped if not verdict.api_version.startswith(NEVER_APPLIED)]


def _skipped(verdict: Verdict, kubernetes_version: str) -> Finding:
    kind = f"{verdict.api_version} {verdict.kind}"
    message = f"not validated: Kubernetes {kubernetes_version} has no {kind}, so there is no schema"
    return Finding(verdict.file, 0, 0, "", message, "the setting schemas takes its CustomResourceDefinition")


def _looked_through(verdicts: list[Verdict], files: Mapping[str, str], schemas: Path) -> list[Verdict]:
    """Return kubeconform's verdicts with refusals in place of those that skip what is no object of any kind.

    kubeconform makes text of an ``apiVersion`` or ``kind`` that is a number, and skips it.  It skips as silently
    where it cannot read a schema; that raises RollstepError.
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
    judged = [document.verdict for document in check({name: files[name] for name in names}, schemas)]
    refused = {verdict.file: verdict for verdict in judged if verdict.status == "invalid"}
    return [refused.get(verdict.file, verdict) if verdict.status == "skipped" else verdict for verdict in verdicts]


def _is_kustomization(verdict: Verdict) -> bool:
    """Tell what each folder has and nobody has a schema of; both names are such as no number can give."""
    return verdict.kind == "Kustomization" and verdict.api_version.startswith(NEVER_APPLIED)


def _explain(verdicts: list[Verdict], files: Mapping[str, str], schemas: Path) -> list[Finding]:
    """Return findings with line and field for every file that kubeconform refuses.

    kubeconform tells the innermost field in prose alone, so the built-in validator looks for it; what it does not find
    is told in kubeconform's words.
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
            found += [_told(verdict) for verdict in refused[file]]
    return [finding for found in findings.values() for finding in found]


def _told(verdict: Verdict) -> Finding:
    """Return kubeconform's own message as a finding, with the line where it names one."""
    line = re.search(r"\bline (\d+)", verdict.message)
    message = " ".join(verdict.message.split())
    return Finding(verdict.file, int(line[1]) if line else 0, 0, "", message)
