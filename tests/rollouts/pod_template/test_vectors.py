from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from renderer.rollouts.pod_template import canonical_json, default_template, pod_template_hash

DATA = Path(__file__).parents[2] / "data" / "hash"
RECORDED = {"1.10": "vectors.jsonl", "1.9": "vectors.jsonl", "1.8": "vectors-v1.8.jsonl"}
"""v1.10.2 has the hashes of v1.9.1, recorded by its own function."""


def vectors(version: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / RECORDED[version]).read_text(encoding="utf-8").split("\n") if line]


@pytest.mark.parametrize("version", RECORDED)
def test_every_recorded_template_has_its_bytes_and_hashes(version: str) -> None:
    recorded = vectors(version)
    assert len(recorded) == 226
    different = []
    for number, vector in enumerate(recorded, 1):
        template = default_template(vector["template"])
        made = {
            "canonical": canonical_json(template, version).decode(),
            "hash": pod_template_hash(template, None, version),
            "hash_collision_1": pod_template_hash(template, 1, version),
        }
        different += [(number, key, vector[key], made[key]) for key in made if made[key] != vector[key]]
    assert different == []


def test_the_versions_differ() -> None:
    assert all(new["hash"] != old["hash"] for new, old in zip(vectors("1.9"), vectors("1.8"), strict=True))


def test_a_collision_count_of_zero_is_not_none() -> None:
    template = default_template(vectors("1.9")[0]["template"])
    assert len({pod_template_hash(template, count) for count in (None, 0, 1, 2)}) == 4


def test_the_crd_of_1_8_fills_in_less() -> None:
    probe = {"spec": {"containers": [{"name": "a", "livenessProbe": {"grpc": {"port": 1}}}]}}
    assert b'"grpc":{"port":1,"service":""}' in canonical_json(default_template(probe, "1.9"), "1.8")
    assert b'"grpc":{"port":1,"service":null}' in canonical_json(default_template(probe, "1.8"), "1.8")


def test_a_changed_value_changes_the_hash() -> None:
    template = {"spec": {"containers": [{"name": "a", "image": "nginx:1"}]}}
    other = {"spec": {"containers": [{"name": "a", "image": "nginx:2"}]}}
    assert pod_template_hash(template) != pod_template_hash(other)
