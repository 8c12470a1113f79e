"""What is wrong with a Rollout and with what it refers to, told before anything is rendered (pure).

The rules are those of the controller (Argo Rollouts v1.9.1, ``pkg/apis/rollouts/validation`` and
``rollout/controller.go``) and of the API server, and a finding's field is the one that they name, which is not always
where it stands in the manifest (``spec.strategy.stableService``); its line and column are.  Where the controller would
go on with what has no meaning (a quantity that is none, a percentage above 100), it is refused as well.
"""

from __future__ import annotations

from collections.abc import Sequence

from renderer.check.pod import check_template
from renderer.check.references import check_references
from renderer.check.report import Report
from renderer.check.spec import check_spec
from renderer.errors import Finding, RollstepError
from renderer.manifest import Manifest
from renderer.model import Rollout


def check(app_rollout: Manifest, manifests: Sequence[Manifest]) -> list[Finding]:
    """Return everything that is wrong with a Rollout among the other ``manifests`` of its app, sorted by place."""
    report = Report(app_rollout)
    _check_types(report)
    check_spec(report)
    if not report.at("spec", "workloadRef"):
        check_template(report)
    check_references(report, manifests)
    return sorted(report.findings, key=lambda finding: (finding.line, finding.column, finding.field))


def _check_types(report: Report) -> None:
    """Report fields of another type than the CRD has; which of them exclude each other is for :func:`check_spec`."""
    try:
        Rollout.from_body(report.rollout.body, report.rollout.source)
    except RollstepError as error:
        ours = ("spec.strategy", "expected exactly one")
        report.findings += [
            finding
            for finding in error.findings
            if finding.field != ours[0] and not finding.message.startswith(ours[1])
        ]
