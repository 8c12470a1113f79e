"""Every error of the controller's validation, on thousands of Rollouts, is found in the same field, and no other."""

from __future__ import annotations

import re
from functools import cache

from renderer.errors import Finding
from tests.support.controller_table import Errors, golden, judged, table

CONSEQUENCES = {
    r"spec\.selector": r"spec\.selector\b",
    r"spec\.template\.metadata\.labels": r"spec\.selector\b",
    r"spec\.template\.spec\.\w+\[\d+\]\.volumeMounts\[\d+\]\.name": r"spec\.template\.spec\.volumes\b",
    r"spec\.strategy\.activeService": r"spec\.strategy\.blueGreen\.activeService",
}
"""Fields that the controller names only because of another invalid field, the one that rollstep names.

The controller reports an invalid selector as a whole without comparing it with the template, ignores an invalid volume
when it checks mounts, and regards two Services without a name as the same.
"""

BEYOND = {
    "RS102": "the API server refuses it by the CRD, before the controller sees it",
    "RS103": "the same",
    "RS202": "the API server refuses it, where the controller writes the label into a ReplicaSet",
    "RS204": "the same",
    "RS205": "a negative number that the controller reads as another",
    "RS221": "plugins need both Services, and the CRD activeService",
    "RS230": "of two actions in one step the controller does one",
    "RS210": "no kubelet runs an image without a name",
    "RS301": "the other objects are not among these",
    "RS302": "the same",
    "RS303": "the same",
    "RS308": "the same",
    "RS319": "a VirtualService without a route, in which no weight is ever written",
    "RS401": "an invalid quantity",
    "RS402": "the controller reads invalid text as 0",
    "RS403": "setCanaryScale with two values, or none",
    "RS411": "a router that does nothing at a step",
    "RS412": "weights out of another number than the router's",
}
"""Rules for what the controller's validation accepts, with the reason."""


@cache
def found() -> dict[str, list[Finding]]:
    return dict(judged())


def said() -> dict[str, Errors | None]:
    return golden()[1]


def test_the_recording_is_of_these_rollouts() -> None:
    assert list(found()) == list(said()), "run `make golden`"
    assert len(found()) > 6000
    assert sum(bool(errors) for errors in said().values()) > 3000
    assert sum(errors == [] for errors in said().values()) > 3000


def test_what_the_controller_refuses_is_found_in_the_same_field() -> None:
    missed = []
    for name, errors in said().items():
        fields = {finding.field for finding in found()[name]}
        by_schema = any(finding.code.startswith("RS1") for finding in found()[name])
        missed += [
            f"{name}: {field}: {text}"
            for field, text in errors or ()
            if field not in fields and not by_schema and not is_consequence(field, fields)
        ]
    assert missed == []


def is_consequence(field: str, fields: set[str]) -> bool:
    return any(
        re.fullmatch(pattern, field) and any(re.match(cause, other) for other in fields)
        for pattern, cause in CONSEQUENCES.items()
    )


def test_what_cannot_be_decoded_is_found() -> None:
    broken = [name for name, errors in said().items() if errors is None]
    assert len(broken) > 50
    assert [name for name in broken if not found()[name]] == []


def test_nothing_else_is_refused() -> None:
    alarms = []
    for name, findings in found().items():
        fields = {field for field, _ in said()[name] or ()}
        alarms += [
            f"{name}: {finding.code} {finding.field}: {finding.message}"
            for finding in findings
            if said()[name] is not None and finding.field not in fields and finding.code not in BEYOND
        ]
    assert alarms == []


def test_every_message_that_has_a_name_occurs() -> None:
    messages = golden()[0]
    assert len(messages) == 29
    texts = "\n".join(text for errors in said().values() for _, text in errors or ())
    missing = [message for message in messages if not re.search(re.sub(r"%[sd]", ".*", re.escape(message)), texts)]
    assert missing == []


def test_the_page_is_what_is_found(project) -> None:
    assert (project / "docs/reference/rules/controller.md").read_text(encoding="utf-8") == table(), "run `make golden`"
