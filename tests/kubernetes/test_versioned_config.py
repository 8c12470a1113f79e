"""Versioned configuration: kustomize's hashes, rewritten references, and objects that stay while they are named."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from renderer.kubernetes.manifest import Body, Manifest
from renderer.kubernetes.versioned_config import (
    base_name,
    content_hash,
    is_versioned,
    looks_versioned,
    mentions,
    references,
    versioned_names,
    with_references,
    with_versioned_config,
)
from renderer.kubernetes.yaml.reader import load_documents
from renderer.kubernetes.yaml.writer import dump
from renderer.pipeline.load.status_file import State, dump_state, load_state
from renderer.pipeline.resolve.commit_content import next_state
from renderer.pipeline.resolve.moves import Move, advance, react
from renderer.pipeline.resolve.resolve import all_objects, resolve
from renderer.pipeline.resolve.verb_moves import acting, promoting
from renderer.rollouts import actions
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.world import World
from renderer.rollouts.pod_template import default_rollout
from tests.support.commands import NOON, Checkout
from tests.support.worlds import NOON as NOW

VECTORS = json.loads((Path(__file__).parents[1] / "data/kustomize/hashes.json").read_text(encoding="utf-8"))
LATER = "2026-03-01T13:00:00Z"


def read(text: str) -> Any:
    return load_documents(text, "a.yaml")[0].value


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["hash"])
def test_hashes_are_kustomizes(vector: dict[str, str]) -> None:
    body = read(vector["manifest"])
    assert content_hash(body) == vector["hash"]
    name = f"{body['metadata']['name']}-{vector['hash']}"
    assert looks_versioned(name)
    assert base_name(name) == body["metadata"]["name"]
    assert is_versioned({**body, "metadata": {"name": name}})
    assert not is_versioned(body)


def test_there_are_enough_vectors() -> None:
    assert len({vector["hash"] for vector in VECTORS}) > 100
    assert {read(vector["manifest"])["kind"] for vector in VECTORS} == {"ConfigMap", "Secret"}


TEMPLATE = read("""
metadata: {labels: {app: web}}
spec:
  imagePullSecrets: [{name: pull}]
  volumes:
    - {name: a, configMap: {name: files, items: [{key: a, path: b}]}}
    - {name: b, secret: {secretName: keys, optional: true}}
    - name: c
      projected:
        defaultMode: 420
        sources:
          - configMap: {name: projected}
          - secret: {name: projected}
          - serviceAccountToken: {path: token}
    - {name: d, csi: {driver: x, nodePublishSecretRef: {name: driver}}}
    - {name: e, emptyDir: {}}
  initContainers:
    - {name: init, envFrom: [{secretRef: {name: init}}]}
  containers:
    - name: web
      envFrom: [{prefix: A_, configMapRef: {name: env}}, {secretRef: {name: env}}]
      env:
        - {name: A, value: files}
        - {name: B, valueFrom: {configMapKeyRef: {name: key, key: b}}}
        - {name: C, valueFrom: {secretKeyRef: {name: key, key: c}}}
        - {name: D, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - name: env
""")
NAMED = {
    ("ConfigMap", "files"),
    ("Secret", "keys"),
    ("ConfigMap", "projected"),
    ("Secret", "projected"),
    ("Secret", "init"),
    ("ConfigMap", "env"),
    ("Secret", "env"),
    ("ConfigMap", "key"),
    ("Secret", "key"),
}


def test_references_are_where_kustomize_looks_for_them() -> None:
    assert references(TEMPLATE) == NAMED


def test_every_reference_is_rewritten_and_nothing_else() -> None:
    changed = with_references(TEMPLATE, {reference: f"{reference[1]}-x" for reference in NAMED})
    assert references(changed) == {(kind, f"{name}-x") for kind, name in NAMED}
    assert with_references(changed, {(kind, f"{name}-x"): name for kind, name in NAMED}) == TEMPLATE
    assert json.dumps(changed).replace("-x", "") == json.dumps(TEMPLATE)
    one = with_references(TEMPLATE, {("Secret", "env"): "env-x"})
    assert references(one) == NAMED - {("Secret", "env")} | {("Secret", "env-x")}


def test_whatever_could_name_configuration_counts_as_naming_it() -> None:
    found = set(mentions({"spec": {"template": TEMPLATE}}))
    assert found >= NAMED | {("Secret", "pull"), ("Secret", "driver")}
    assert ("ConfigMap", "web") not in found
    ingress = {"spec": {"tls": [{"secretName": "tls"}], "rules": [{"backend": {"service": {"name": "web"}}}]}}
    assert set(mentions(ingress)) == {("Secret", "tls")}
    role = {"rules": [{"resources": ["configmaps"], "resourceNames": ["web"]}]}
    assert set(mentions(role)) == {("ConfigMap", "web"), ("Secret", "web")}


@hypothesis.given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["volumes", "containers", "env", "envFrom", "configMap", "name", "valueFrom", "secretRef"]
                ),
                inner,
                max_size=3,
            )
        ),
    )
)
def test_a_template_of_any_shape_is_left_as_it_is(spec: Any) -> None:
    template = {"spec": spec}
    assert with_references(template, {}) == template
    assert all(isinstance(name, str) for _, name in mentions(template))


ROLLOUT = """
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web, namespace: shop}
spec:
  replicas: 4
  revisionHistoryLimit: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - {name: web, image: 'x:IMAGE', envFrom: [{configMapRef: {name: web}}, {secretRef: {name: web}}]}
  strategy: {canary: {steps: [{setWeight: 50}, {pause: {}}]}}
"""


class Repository:
    """An app whose sources change between commits; text and objects pass from one to the next."""

    def __init__(self) -> None:
        self.image, self.level, self.password = 0, 0, 0
        self.setting: bool | tuple[str, ...] = True
        self.state: State | None = None
        self.rendered: list[Manifest] = []
        self.now = NOW

    def sources(self) -> tuple[Manifest, tuple[Manifest, ...]]:
        metadata = {"name": "web", "namespace": "shop"}
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"level": str(self.level)}}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"p": str(self.password)}}
        rollout = Manifest(read(ROLLOUT.replace("IMAGE", str(self.image))))
        return with_versioned_config(rollout, (Manifest(config), Manifest(secret)), self.setting)

    def commit(self, verb: Callable[[World], Move | None]) -> list[Body]:
        source, manifests = self.sources()
        rollout = Rollout.from_body(default_rollout(source.body, source.source))
        self.now += timedelta(minutes=10)
        resolved = resolve(rollout, manifests, self.state, self.rendered, self.now)
        move = verb(resolved.world)
        world = move.after if move is not None else resolved.world
        bodies = all_objects(resolved, world)
        self.state = load_state(dump_state(next_state(self.state, world)), "status.yaml")
        self.rendered = [Manifest(body) for body in bodies]
        return bodies


VERBS: dict[str, Callable[[World], Move | None]] = {
    "advance": advance,
    "promote": promoting(actions.promote),
    "abort": acting(actions.abort),
    "retry": acting(actions.retry),
    "render": react,
}


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(
    st.lists(
        st.tuples(st.sampled_from(["", "image", "level", "password", "setting", "back"]), st.sampled_from(list(VERBS))),
        max_size=8,
    )
)
def test_what_replica_sets_refer_to_is_rendered_and_nothing_is_kept_that_nobody_refers_to(
    commits: list[tuple[str, str]],
) -> None:
    repository = Repository()
    repository.commit(react)
    for edit, verb in commits:
        if edit == "setting":
            repository.setting = not repository.setting
        elif edit == "back":
            repository.level = 0
        elif edit:
            setattr(repository, edit, getattr(repository, edit) + 1)
        bodies = repository.commit(VERBS[verb])
        there = {(body["kind"], body["metadata"]["name"]) for body in bodies if body["kind"] in ("ConfigMap", "Secret")}
        named = {
            reference
            for body in bodies
            if body["kind"] == "ReplicaSet"
            for reference in references(body["spec"]["template"])
        }
        assert named <= there
        assert {(kind, name) for kind, name in there if looks_versioned(name)} <= named
        if repository.setting:
            assert there == named


def test_a_list_chooses_and_what_is_encrypted_keeps_its_name() -> None:
    repository = Repository()
    repository.setting = ("api",)
    source, manifests = repository.sources()
    assert references(source.body["spec"]["template"]) == {("ConfigMap", "web"), ("Secret", "web")}
    assert [manifest.name for manifest in manifests] == ["web", "web"]
    rollout = Manifest(read(ROLLOUT))
    sops = Manifest(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "web"},
            "data": {"a": "ENC[]"},
            "sops": {"mac": "m"},
        }
    )
    other = Manifest({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}, "data": {}})
    assert with_versioned_config(rollout, (sops, other), True) == (rollout, (sops, other))
    elsewhere = Manifest({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "other"}})
    assert with_versioned_config(rollout, (elsewhere,), True) == (rollout, (elsewhere,))


def test_the_template_of_a_workload_is_rewritten() -> None:
    rollout = read(ROLLOUT)
    template = rollout["spec"].pop("template")
    rollout["spec"]["workloadRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    deployment["spec"] = {"template": template}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"a": "1"}}
    source, manifests = with_versioned_config(Manifest(rollout), (Manifest(deployment), Manifest(config)), True)
    assert source.body == rollout
    name = f"web-{content_hash(config)}"
    assert ("ConfigMap", name) in references(manifests[0].body["spec"]["template"])
    assert versioned_names(manifests) == {("ConfigMap", "web"): name}


def test_a_workload_and_its_configuration_are_released_together(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "repo")
    folder = checkout.root / "environments/dev/ref"
    folder.mkdir()
    rollout = read(ROLLOUT)
    template = rollout["spec"].pop("template")
    del rollout["metadata"]["namespace"]
    rollout["spec"]["workloadRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    deployment["spec"] = {"replicas": 0, "selector": rollout["spec"]["selector"], "template": template}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"level": "info"}}
    del template["spec"]["containers"][0]["envFrom"][1]
    for name, body in (("rollout", rollout), ("deployment", deployment), ("config", config)):
        (folder / f"{name}.yaml").write_text(dump(body), encoding="utf-8")
    checkout.edit("rollstep.yaml", "defaults:\n", "defaults:\n  versionedConfig: [web]\n")
    checkout.commit()
    checkout.run("advance", "dev/ref", "--now", NOON)
    assert list(checkout.objects("dev/ref", ["ConfigMap"])) == [f"ConfigMap/web-{content_hash(config)}"]
    checkout.edit("environments/dev/ref/config.yaml", "info", "debug")
    checkout.commit()
    checkout.run("advance", "dev/ref", "--now", NOON)
    made = checkout.objects("dev/ref", ["ReplicaSet", "ConfigMap"])
    named = [references(body["spec"]["template"]) for key, body in made.items() if key.startswith("ReplicaSet/")]
    assert len(named) == 2
    assert {f"{kind}/{name}" for refs in named for kind, name in refs} == {
        key for key in made if key.startswith("ConfigMap/")
    }
    checkout.run("undo", "dev/ref", "--now", NOON)
    assert "level: info" in (folder / "config.yaml").read_text(encoding="utf-8")
    checkout.run("render", "dev/ref", "--check")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    checkout = Checkout(tmp_path / "repo")
    checkout.edit("rollstep.yaml", "defaults:\n", "defaults:\n  versionedConfig: true\n")
    checkout.commit("Version configuration")
    checkout.run("advance", "prod/web", "--now", NOON)
    return checkout


def set_level(checkout: Checkout, old: str, new: str) -> None:
    checkout.edit("environments/prod/web/configmap.yaml", f"LOG_LEVEL: {old}", f"LOG_LEVEL: {new}")
    checkout.commit(f"Log {new}")


def levels(checkout: Checkout) -> dict[str, str]:
    """Return the level of each ReplicaSet of prod/web that is rendered, by role and by name."""
    made = checkout.objects("prod/web")
    status = read((checkout.root / "environments/prod/web/status.yaml").read_text(encoding="utf-8"))["status"]
    found = {}
    for key, body in made.items():
        if key.startswith("ReplicaSet/"):
            (reference,) = references(body["spec"]["template"])
            name = body["metadata"]["name"].removeprefix("web-")
            role = "stable" if name == status["stableRS"] else "new" if name == status["currentPodHash"] else name
            found[role] = made[f"ConfigMap/{reference[1]}"]["data"]["LOG_LEVEL"]
    assert len(set(found.values())) == sum(key.startswith("ConfigMap/") for key in made)
    return found


def test_a_change_of_configuration_is_a_release(checkout: Checkout) -> None:
    assert list(checkout.objects("prod/web", ["ConfigMap"])) == ["ConfigMap/web-hf678c7m2b"]
    set_level(checkout, "info", "debug")
    assert "another pod template waits" in checkout.run("render", "prod/web", "--check", "--no-validate").stderr
    checkout.run("advance", "prod/web", "--now", NOON)
    assert levels(checkout) == {"stable": "info", "new": "debug"}
    set_level(checkout, "debug", "error")
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    assert {role: level for role, level in levels(checkout).items() if role in ("stable", "new")} == {
        "stable": "info",
        "new": "error",
    }
    checkout.run("promote", "prod/web", "--full", "--now", NOON, "--no-validate")
    assert levels(checkout)["stable"] == "error"
    checkout.run("render", "prod/web", "--check")


def test_undo_takes_the_configuration_back(checkout: Checkout) -> None:
    set_level(checkout, "info", "debug")
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    checkout.run("promote", "prod/web", "--full", "--now", NOON, "--no-validate")
    rollout = (checkout.root / "environments/prod/web/rollout.yaml").read_bytes()
    names = set(checkout.objects("prod/web", ["ReplicaSet", "ConfigMap"]))
    checkout.run("undo", "prod/web", "--now", LATER, "--no-validate")
    assert "LOG_LEVEL: info" in (checkout.root / "environments/prod/web/configmap.yaml").read_text(encoding="utf-8")
    assert (checkout.root / "environments/prod/web/rollout.yaml").read_bytes() == rollout
    assert set(checkout.objects("prod/web", ["ReplicaSet", "ConfigMap"])) == names
    assert levels(checkout) == {"stable": "debug", "new": "info"}
    checkout.run("render", "prod/web", "--check")
    checkout.run("verify")


def test_undo_takes_an_image_and_its_configuration_back_together(checkout: Checkout) -> None:
    set_level(checkout, "info", "debug")
    checkout.run("set", "image", "prod/web", "web=x:2", "--now", NOON, "--no-validate")
    source = (checkout.root / "environments/prod/web/rollout.yaml").read_text(encoding="utf-8")
    assert "name: web-" not in source.partition("strategy:")[0]
    checkout.run("undo", "prod/web", "--now", NOON, "--no-validate")
    assert levels(checkout)["stable"] == "info"
    assert "web:1.0.0" in (checkout.root / "environments/prod/web/rollout.yaml").read_text(encoding="utf-8")
    checkout.run("render", "prod/web", "--check")


def test_configuration_goes_with_the_last_revision_that_refers_to_it(checkout: Checkout) -> None:
    checkout.edit("environments/prod/web/rollout.yaml", "revisionHistoryLimit: 3", "revisionHistoryLimit: 1")
    before = "info"
    for number, level in enumerate(("debug", "warn", "error")):
        set_level(checkout, before, level)
        at = f"2026-03-01T{13 + number}:00:00Z"
        checkout.run("advance", "prod/web", "--now", at, "--no-validate")
        checkout.run("promote", "prod/web", "--full", "--now", at, "--no-validate")
        checkout.run("advance", "prod/web", "--now", at.replace(":00:00", ":30:00"), "--no-validate")
        before = level
    assert sorted(levels(checkout).values()) == ["error", "warn"]
    refused = checkout.run("undo", "prod/web", "--to-revision", "1", code=1)
    assert "unable to find specified revision 1" in refused.stderr


def test_configuration_of_an_old_revision_is_guarded(checkout: Checkout) -> None:
    set_level(checkout, "info", "debug")
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    path = "environments/prod/web/rendered/configmap-web-hf678c7m2b.yaml"
    checkout.edit(path, "LOG_LEVEL: info", "LOG_LEVEL: warn")
    before = checkout.snapshot()
    assert "its content does not have the hash in its name" in checkout.run("promote", "prod/web", code=1).stderr
    assert checkout.snapshot() == before
    (checkout.root / path).unlink()
    assert f"{path}: is missing" in checkout.run("promote", "prod/web", code=1).stderr


def test_undo_beyond_the_first_versioned_revision_is_refused(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "repo")
    checkout.advance_all("prod/web")
    checkout.edit("rollstep.yaml", "defaults:\n", "defaults:\n  versionedConfig: true\n")
    checkout.commit("Version configuration")
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    assert len(checkout.objects("prod/web", ["ConfigMap"])) == 2
    before = checkout.snapshot()
    refused = checkout.run("undo", "prod/web", "--now", NOON, code=1)
    assert "this revision is from before versionedConfig: its pods refer to ConfigMap web" in refused.stderr
    assert checkout.snapshot() == before


def test_a_source_that_cannot_be_edited_is_named(checkout: Checkout) -> None:
    folder = checkout.root / "environments/prod/web"
    (folder / "configmap.yaml").rename(folder / "configmap.yaml.j2")
    checkout.edit("environments/prod/web/configmap.yaml.j2", "info", "debug")
    checkout.commit("Make it a template")
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    before = checkout.snapshot()
    refused = checkout.run("undo", "prod/web", "--now", NOON, "--no-validate", code=1)
    assert "data.LOG_LEVEL would change, but the ConfigMap comes from a command or a template" in refused.stderr
    assert checkout.snapshot() == before


def test_a_name_that_nothing_has_is_refused(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "repo")
    checkout.edit("rollstep.yaml", "defaults:\n", "defaults:\n  versionedConfig: [wbe]\n")
    checkout.commit()
    refused = checkout.run("advance", "prod/web", code=1)
    assert "versionedConfig: no ConfigMap or Secret of the app web has the name wbe" in refused.stderr


def test_a_step_of_the_stateless_render_refers_to_what_is_there(checkout: Checkout) -> None:
    folder = checkout.root / "environments/prod/web"
    files = ["rollout.yaml", "services.yaml", "ingress.yaml", "configmap.yaml"]
    stable = checkout.root / "stable.yaml"
    stable.write_text((folder / "rollout.yaml").read_text(encoding="utf-8").replace("web:1.0.0", "web:0.9.0"), "utf-8")
    command = ["render", *(str(folder / name) for name in files), "--stable", str(stable), "--step", "1"]
    printed = checkout.run(*command, "--no-validate").stdout
    bodies = [document.value for document in load_documents(printed, "out")]
    there = {(body["kind"], body["metadata"]["name"]) for body in bodies}
    named = [references(body["spec"]["template"]) for body in bodies if body["kind"] == "ReplicaSet"]
    assert len(named) == 2
    assert all(refs <= there for refs in named)
