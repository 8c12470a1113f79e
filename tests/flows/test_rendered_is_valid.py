"""The rendered manifests of every recorded scenario, at every step, are valid."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from renderer.kubernetes.yaml.reader import read_text
from renderer.pipeline.render.files import RenderContext, render
from renderer.pipeline.resolve.commit_content import rendered
from renderer.pipeline.validate.builtin import check
from renderer.pipeline.validate.kubeconform import run_kubeconform
from renderer.pipeline.validate.schemas import schema_folder
from renderer.rollouts.simulator.scenario import read_scenario, simulate

SCENARIOS = sorted((Path(__file__).parents[1] / "data" / "conformance" / "scenarios").glob("*/*.yaml"))
WITHOUT_SCHEMA = {("getambassador.io/v2", "Mapping")}
"""Kinds without a schema in any package."""


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    """Return each distinct rendered text by a name with its scenario."""
    names: dict[str, str] = {}
    for path in SCENARIOS:
        scenario = read_scenario(read_text(path), str(path))
        for number, frame in enumerate(simulate(scenario)):
            objects = {**frame.world.objects, **rendered(frame.world)}
            context = RenderContext(frame.world.rollout.name, "prod")
            for name, text in render(list(objects.values()), user_templates=None, context=context).items():
                if name != "kustomization.yaml":
                    names.setdefault(text, f"{path.parent.name}/{path.stem}/{number}/{name}")
    return {name: text for text, name in names.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return schema_folder("1.34", tmp_path_factory.mktemp("cache"))


def test_kubeconform_accepts_the_rendered_manifests(files: dict[str, str], folder: Path, kubeconform: str):
    verdicts = run_kubeconform(kubeconform, files, folder)
    assert [f"{verdict.file}: {verdict.message}" for verdict in verdicts if verdict.status == "invalid"] == []
    assert {(item.api_version, item.kind) for item in verdicts if item.status == "skipped"} == WITHOUT_SCHEMA
    kinds = Counter(item.kind for item in verdicts if item.status == "valid")
    routers = {"Ingress", "VirtualService", "DestinationRule", "TrafficSplit", "TraefikService", "ApisixRoute"}
    assert {"ReplicaSet", "Service"} | routers <= kinds.keys()
    assert kinds.total() > 1000


def test_the_built_in_validator_agrees(files: dict[str, str], folder: Path):
    # Every tenth, and every object of a router: jsonschema is slow.
    some = {
        name: text
        for number, (name, text) in enumerate(files.items())
        if number % 10 == 0 or not name.rpartition("/")[2].startswith(("replicaset-", "service-"))
    }
    documents = list(check(some, folder))
    assert [finding.text() for document in documents for finding in document.findings] == []
    skipped = {(item.verdict.api_version, item.verdict.kind) for item in documents if item.verdict.status == "skipped"}
    assert skipped == WITHOUT_SCHEMA
