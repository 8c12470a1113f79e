"""The examples of docs/how-to/replicas.md: what they say of rendered objects holds for rendered objects."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from renderer.kubernetes.kinds import scales_rollout
from renderer.kubernetes.yaml.reader import load_documents
from renderer.pipeline.load.settings import parse_settings
from renderer.pipeline.resolve.autoscaling import share_down, share_up
from tests.support.worlds import web

EXAMPLE = re.compile(r"^( *)```yaml\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def page(project: Path) -> str:
    return (project / "docs/how-to/replicas.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def examples(page: str) -> list[Any]:
    texts = [re.sub(f"^{match[1]}", "", match[2], flags=re.MULTILINE) for match in EXAMPLE.finditer(page)]
    return [document.value for text in texts for document in load_documents(text, "docs/how-to/replicas.md")]


def at(value: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        value = value[part]
    return value


def test_the_examples_are_read(examples: list[Any]) -> None:
    assert [body["kind"] for body in examples] == [
        "HorizontalPodAutoscaler",
        "Application",
        "ReplicaSet",
        "Application",
    ]


def test_what_argo_cd_ignores_is_in_a_rendered_replica_set(examples: list[Any]) -> None:
    (replica_set,) = [rs.to_body() for rs in web().replica_sets]
    group, _, _ = replica_set["apiVersion"].partition("/")
    for application in (body for body in examples if body["kind"] == "Application"):
        for rule in application["spec"]["ignoreDifferences"]:
            assert (rule["group"], rule["kind"]) == (group, replica_set["kind"])
            assert [at(replica_set, pointer) for pointer in rule["jsonPointers"]] == [5]


def test_the_number_is_taken_from_the_cluster_for_one_sync_alone(examples: list[Any]) -> None:
    once, always = [body["spec"] for body in examples if body["kind"] == "Application"]
    assert once["syncPolicy"]["syncOptions"] == ["RespectIgnoreDifferences=true"]
    assert "syncPolicy" not in always


def test_the_handover_has_the_one_field_that_it_is_about(examples: list[Any]) -> None:
    (body,) = [body for body in examples if body["kind"] == "ReplicaSet"]
    (replica_set,) = [rs.to_body() for rs in web().replica_sets]
    assert body["apiVersion"] == replica_set["apiVersion"]
    assert body["metadata"]["name"] == replica_set["metadata"]["name"]
    assert body["spec"] == {"replicas": replica_set["spec"]["replicas"]}


def test_the_autoscaler_is_one_of_the_rollout(examples: list[Any]) -> None:
    assert scales_rollout(examples[0], "web")


def test_the_table_of_shares_is_true(page: str) -> None:
    rows = re.findall(r"\| (\d) of (\d)(?: each)? \| (\d+)(?: each)? \| (\d+)(?: each)? \|", page)
    assert len(rows) == 6
    for pods, replicas, low, high in (map(int, row) for row in rows):
        assert (low, high) == (share_up(3, pods, replicas), share_up(10, pods, replicas))
    assert (share_down(4, 5, 5), share_up(1, 5, 5)) == (4, 1)


def test_every_value_of_the_setting_is_told(page: str) -> None:
    told = re.findall(r"^\| `(\w+)`(?: \(default\))? \|", page, re.MULTILINE)
    assert told == ["replicas", "auto", "autoscaler", "rollstep"]
    for value in told[1:]:
        settings = parse_settings(f"defaults: {{replicas: {value}}}", Path())
        assert settings.for_app("prod", "web").replicas == value
