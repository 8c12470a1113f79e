"""The checks of a Rollout and of the objects that it refers to.

The rules are those of Argo Rollouts v1.9.1 (``pkg/apis/rollouts/validation``, ``rollout/controller.go``) and of the API
server.  A finding has their name of the field, which may differ from its path (``spec.strategy.stableService``), and
the line and column of its path.  Values that the controller ignores (an invalid quantity, more than 100%) are errors.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from msgspec.structs import replace

from renderer.errors import MOST_HINTS, Finding, RollstepError, did_you_mean
from renderer.kubernetes.manifest import Body, Manifest
from renderer.rollouts.checks.analyses import check_analyses
from renderer.rollouts.checks.metadata import check_metadata
from renderer.rollouts.checks.pod import check_template
from renderer.rollouts.checks.ports import check_ports
from renderer.rollouts.checks.references import Objects, check_made_objects, check_references
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
    """Return the findings about a Rollout among the other ``manifests`` of its app, sorted by file and line.

    Types, required and unknown fields are by the CRD of ``controller_version``; ``allow`` is the setting of that name,
    ``is_app`` is false for a Rollout that the controller runs.
    """
    return check_and_read(app_rollout, manifests, controller_version, allow, is_app=is_app)[0]


def check_and_read(
    app_rollout: Manifest,
    manifests: Sequence[Manifest] | Objects,
    controller_version: str = DEFAULT_VERSION,
    allow: Collection[str] = (),
    *,
    is_app: bool = True,
) -> tuple[list[Finding], Rollout | None]:
    """Return the findings of ``check``, and the Rollout as the controller reads it; None if it has invalid fields."""
    report = Report(app_rollout, allow, is_app=is_app)
    objects = manifests if isinstance(manifests, Objects) else Objects(manifests)
    check_spec(report)
    if not report.at("spec", "workloadRef"):
        check_template(report)
    check_metadata(report)
    check_references(report, objects)
    check_ports(report, objects)
    check_router_objects(report, objects)
    check_analyses(report, objects)
    body, stored = stored_rollout(app_rollout.body, controller_version)
    _check_unknown(report, stored, controller_version)
    rollout = _check_types(report, body, stored)
    check_scaling(report, objects)
    if rollout is not None:
        check_made_objects(report, objects, rollout)
    own = app_rollout.source.file
    findings = sorted(
        report.findings, key=lambda item: (item.file != own, item.file, item.line, item.column, item.field)
    )
    return findings, rollout


def _check_unknown(report: Report, stored: Outcome, controller_version: str) -> None:
    """Report unknown fields, which the API server drops and ``kubectl apply`` refuses."""
    for number, path in enumerate(stored.unknown):
        near = ""
        if number < MOST_HINTS:
            near = did_you_mean(str(path[-1]), _known_fields(path[:-1], controller_version))
        report.add("RS104", path, "unknown field", near or "take it out")


def _known_fields(path: Path, controller_version: str) -> list[str]:
    schema: Any = {"properties": {"spec": rollout_schema(controller_version)}}
    for part in path:
        if not isinstance(schema, dict):
            return []
        below = schema.get("items") if isinstance(part, int) else schema.get("properties", {}).get(part)
        schema = schema.get("additionalProperties") if below is None else below
    return sorted(schema.get("properties", {})) if isinstance(schema, dict) else []


def _check_types(report: Report, body: Body, stored: Outcome) -> Rollout | None:
    """Report what only the CRD refuses; return the Rollout if there are no findings."""
    found = {finding.field for finding in report.findings}
    try:
        raise_errors(stored, report.rollout.source)
        return None if found else Rollout.from_body(body, report.rollout.source)
    except RollstepError as error:
        for finding in error.findings:
            if finding.field not in found:
                code = "RS103" if finding.message == "Required value" else "RS102"
                report.findings.append(replace(finding, code=code))
        return None
