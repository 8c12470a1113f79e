"""What is wrong with a Rollout and with what it refers to, told before anything is rendered (pure).

The rules are those of the controller (Argo Rollouts v1.9.1, ``pkg/apis/rollouts/validation`` and
``rollout/controller.go``) and of the API server, and a finding's field is the one that they name, which is not always
where it stands in the manifest (``spec.strategy.stableService``); its line and column are.  Where the controller would
go on with what has no meaning (a quantity that is none, a percentage above 100), it is refused as well.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, Manifest
from renderer.rollouts.checks.analyses import check_analyses
from renderer.rollouts.checks.pod import check_template
from renderer.rollouts.checks.references import Objects, check_references
from renderer.rollouts.checks.report import Path, Report
from renderer.rollouts.checks.routing import check_router_objects
from renderer.rollouts.checks.scaling import check_scaling
from renderer.rollouts.checks.spec import check_spec
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.versions import DEFAULT_VERSION
from renderer.rollouts.pod_template import raise_errors, stored_rollout
from renderer.rollouts.pod_template.schema import Outcome
from renderer.rollouts.pod_template.table import rollout_schema


def check(
    app_rollout: Manifest,
    manifests: Sequence[Manifest] | Objects,
    controller_version: str = DEFAULT_VERSION,
    allow: Collection[str] = (),
    *,
    is_app: bool = True,
) -> list[Finding]:
    """Return everything that is wrong with a Rollout among the other ``manifests`` of its app, sorted by place.

    Types, required and unknown fields are by the CRD of ``controller_version``; ``allow`` is the setting of that name,
    ``is_app`` false for a Rollout that the controller runs.
    """
    return read(app_rollout, manifests, controller_version, allow, is_app=is_app)[0]


def read(
    app_rollout: Manifest,
    manifests: Sequence[Manifest] | Objects,
    controller_version: str = DEFAULT_VERSION,
    allow: Collection[str] = (),
    *,
    is_app: bool = True,
) -> tuple[list[Finding], Rollout | None]:
    """Return what ``check`` finds, and the Rollout as the controller reads it; None where its fields are wrong."""
    report = Report(app_rollout, allow, is_app=is_app)
    objects = manifests if isinstance(manifests, Objects) else Objects(manifests)
    check_spec(report)
    if not report.at("spec", "workloadRef"):
        check_template(report)
    check_references(report, objects)
    check_router_objects(report, objects)
    check_analyses(report, objects)
    body, stored = stored_rollout(app_rollout.body, controller_version)
    _check_unknown(report, stored, controller_version)
    rollout = _check_types(report, body, stored)
    check_scaling(report, objects)
    findings = sorted(
        report.findings,
        key=lambda finding: (
            finding.file != app_rollout.source.file,
            finding.file,
            finding.line,
            finding.column,
            finding.field,
        ),
    )
    return findings, rollout


def _check_unknown(report: Report, stored: Outcome, controller_version: str) -> None:
    """Report fields that the API server would drop, which ``kubectl apply`` refuses as well."""
    for path in stored.unknown:
        # A Rollout that is right has no need of it.
        from difflib import get_close_matches

        known = _known_fields(path[:-1], controller_version)
        near = get_close_matches(str(path[-1]), known, n=1)
        report.add("RS104", path, "unknown field", f"did you mean {near[0]}?" if near else "take it out")


def _known_fields(path: Path, controller_version: str) -> list[str]:
    """Return the names of the fields that the CRD has at ``path``, sorted."""
    schema: Any = {"properties": {"spec": rollout_schema(controller_version)}}
    for part in path:
        if not isinstance(schema, dict):
            return []
        below = schema.get("items") if isinstance(part, int) else schema.get("properties", {}).get(part)
        schema = schema.get("additionalProperties") if below is None else below
    return sorted(schema.get("properties", {})) if isinstance(schema, dict) else []


def _check_types(report: Report, body: Body, stored: Outcome) -> Rollout | None:
    """Report what the CRD refuses and no check has found before; return the Rollout where all is well."""
    found = {finding.field for finding in report.findings}
    try:
        raise_errors(stored, report.rollout.source)
        return None if found else Rollout.from_body(body, report.rollout.source)
    except RollstepError as error:
        report.findings += [_coded(finding) for finding in error.findings if finding.field not in found]
        return None


def _coded(finding: Finding) -> Finding:
    """Return a finding in the API server's words with the code of its rule."""
    return replace(finding, code="RS103" if finding.message == "Required value" else "RS102")
