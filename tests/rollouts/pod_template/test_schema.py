from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.errors import RollstepError
from renderer.kubernetes.manifest import Source, field_path
from renderer.rollouts.pod_template import default_rollout, default_template, stored_rollout
from renderer.rollouts.pod_template.schema import Outcome, Schema

DATA = Path(__file__).parents[2] / "data" / "hash"
EITHER = "of type integer,string:"


def rollout(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "web"}, "spec": spec}


def worth_telling(errors: list[str]) -> list[str]:
    """Return the API server's errors without repetitions."""
    repeated = {error.replace(EITHER, "of type integer:") for error in errors if EITHER in error}
    return sorted(
        error
        for error in errors
        if error not in repeated and not error.startswith("<nil>") and "for an array of list-type map" not in error
    )


@pytest.mark.parametrize("version", ["1.9", "1.8"])
def test_every_rollout_is_stored_or_refused_as_by_the_api_server(version: str) -> None:
    lines = (DATA / f"api-server-{version}.jsonl").read_text(encoding="utf-8").split("\n")
    cases = [json.loads(line) for line in lines if line]
    assert sum(bool(case["errors"]) for case in cases) > 30
    assert sum(not case["errors"] for case in cases) > 20
    for case in cases:
        body, untouched = case["rollout"], deepcopy(case["rollout"])
        errors: list[str] = []
        try:
            kept = default_rollout(body, crd_version=version)
            assert kept["spec"] == case["object"]["spec"], body
        except RollstepError as error:
            errors = [f"{finding.field}: {finding.message}" for finding in error.findings]
        assert sorted(errors) == worth_telling(case["errors"]), body
        # The status is not pruned.
        dropped = [path for path in case["unknown"] or [] if not path.startswith("status")]
        assert sorted(map(field_path, stored_rollout(body, version)[1].unknown)) == dropped, body
        assert body == untouched


def test_a_finding_has_its_line_and_what_was_found() -> None:
    source = Source("web.yaml", {(): (1, 1), ("spec", "replicas"): (6, 3)})
    with pytest.raises(RollstepError) as raised:
        default_rollout(rollout(replicas="three", paused=1), source)
    first, second = raised.value.findings
    assert (first.file, first.line, first.column, first.field, first.hint) == (
        "web.yaml",
        6,
        3,
        "spec.replicas",
        'found "three"',
    )
    assert (second.line, second.field) == (1, "spec.paused")


@pytest.mark.parametrize(
    ("value", "fits"), [(2**31 - 1, True), (2**31, False), (-(2**31), True), (-(2**31) - 1, False)]
)
def test_a_number_that_the_controller_cannot_hold_is_refused(value: int, fits: bool) -> None:
    if fits:
        assert default_rollout(rollout(replicas=value))["spec"]["replicas"] == value
    else:
        with pytest.raises(RollstepError, match="32 bits"):
            default_rollout(rollout(replicas=value))


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"labels": {"a": 1}}, "metadata.labels.a"),
        ({"annotations": {"a": True}}, "metadata.annotations.a"),
        ({"annotations": []}, None),
        ({"annotations": ["a"]}, "metadata.annotations"),
        ({"name": 5}, "metadata.name"),
        ({"labels": {"a": None}}, None),
        (5, "metadata"),
    ],
)
def test_metadata_holds_text(metadata: Any, field: str | None) -> None:
    body = {**rollout(), "metadata": metadata}
    if field is None:
        assert default_rollout(body)["metadata"] == metadata
    else:
        with pytest.raises(RollstepError) as raised:
            default_rollout(body)
        assert [finding.field for finding in raised.value.findings] == [field]


def test_a_template_of_another_kind_has_its_own_path() -> None:
    with pytest.raises(RollstepError) as raised:
        default_template({"spec": {"containers": [{}]}}, path=("template",))
    assert [finding.field for finding in raised.value.findings] == ["template.spec.containers[0].name"]


def test_an_unsupported_keyword_of_a_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="minimum"):
        Schema({"type": "integer", "minimum": 1})


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "env", "ports", "spec", "containers", "volumes", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(values)
def test_what_is_stored_is_stored_again_unchanged(value: Any) -> None:
    schema = Schema(
        {"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}
    )
    out = Outcome()
    once = schema.apply(value, (), out)
    assert schema.apply(once, (), Outcome()) == once


def stored(value: Any) -> dict[str, Any] | None:
    try:
        return default_template(value)
    except RollstepError:
        return None


@given(values)
def test_what_the_api_server_took_it_takes_again(value: Any) -> None:
    once = stored({"spec": {"containers": [], "volumes": value}, "metadata": {}})
    assert once is not None
    assert stored(once) == once
    again = stored(value)
    assert again is None or stored(again) == again
