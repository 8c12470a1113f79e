"""An object that pods need stays rendered when the sources lose it, as long as a ReplicaSet refers to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import Checkout

AT = "2026-03-{:02}T12:00:00Z"
APP = "environments/prod/web"
SEALED = """\
apiVersion: v1
kind: Secret
metadata:
    name: web-{version}   # odd layout
stringData:
    password: ENC[AES256_GCM,data:{version},type:str]
sops:
    mac: ENC[AES256_GCM,data:mac,type:str]
    version: 3.9.0
"""
PLAIN = """\
apiVersion: v1
kind: ServiceAccount
metadata: {{name: web-{version}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: web-{version}}}
rules: [{{apiGroups: [""], resources: [pods], verbs: [get]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: bind-{version}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: web-{version}}}
subjects: [{{kind: ServiceAccount, name: web-{version}}}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: web-{version}}}
spec: {{accessModes: [ReadWriteMany], resources: {{requests: {{storage: 1Gi}}}}}}
"""
POD = """\
    spec:
      serviceAccountName: web-{version}
      volumes:
        - {{name: state, persistentVolumeClaim: {{claimName: web-{version}}}}}
        - {{name: keys, secret: {{secretName: web-{version}}}}}
      containers:
"""
KINDS = ("ServiceAccount", "Role", "RoleBinding", "PersistentVolumeClaim", "Secret", "ConfigMap")
FIRST = {
    "ConfigMap/web",
    "PersistentVolumeClaim/web-a",
    "Role/web-a",
    "RoleBinding/bind-a",
    "Secret/web-a",
    "ServiceAccount/web-a",
}


def put(checkout: Checkout, version: str, before: str = "") -> None:
    """Give each object that the pods need the version in its name, as a chart does it."""
    folder = checkout.root / APP
    (folder / "needs.yaml").write_text(PLAIN.format(version=version), encoding="utf-8")
    (folder / "sealed.yaml").write_text(SEALED.format(version=version), encoding="utf-8")
    old = POD.format(version=before) if before else "    spec:\n      containers:\n"
    checkout.edit(f"{APP}/rollout.yaml", old, POD.format(version=version))
    if before:
        checkout.edit(f"{APP}/rollout.yaml", "web:1.0.0", "web:2.0.0")
    checkout.commit(f"Version {version}")


def run(checkout: Checkout, *command: str, day: int) -> None:
    checkout.run(*command, "prod/web", "--now", AT.format(day), "--no-validate")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a checkout in the middle of a release that renames everything that the pods need."""
    made = Checkout(tmp_path)
    put(made, "a")
    run(made, "advance", day=1)
    put(made, "b", before="a")
    run(made, "advance", day=2)
    return made


def needed(checkout: Checkout) -> set[str]:
    return set(checkout.objects("prod/web", KINDS))


BOTH = FIRST | {name.replace("-a", "-b") for name in FIRST}


def test_what_the_old_version_needs_stays(checkout: Checkout) -> None:
    base = checkout.head
    assert needed(checkout) == BOTH
    run(checkout, "abort", day=3)
    assert needed(checkout) == BOTH
    run(checkout, "retry", day=4)
    run(checkout, "promote", day=5)
    assert needed(checkout) == BOTH
    checkout.run("verify", f"{base}..")
    checkout.run("render", "prod/web", "--check", "--no-validate")


def test_an_encrypted_secret_keeps_its_bytes(checkout: Checkout) -> None:
    rendered = (checkout.root / APP / "rendered" / "secret-web-a.yaml").read_text(encoding="utf-8")
    assert rendered == SEALED.format(version="a")


def test_an_undo_finds_it(checkout: Checkout) -> None:
    checkout.run("promote", "prod/web", "--full", "--now", AT.format(3), "--no-validate")
    for day in (4, 5):
        run(checkout, "advance", day=day)
    assert checkout.replicas("prod/web") == {"1.0.0": 0, "2.0.0": 5}
    assert needed(checkout) == BOTH
    run(checkout, "undo", day=6)
    assert needed(checkout) == BOTH
    assert "serviceAccountName: web-a" in (checkout.root / APP / "rollout.yaml").read_text(encoding="utf-8")


def test_it_goes_with_the_last_replica_set_that_refers_to_it(checkout: Checkout) -> None:
    checkout.edit(f"{APP}/rollout.yaml", "revisionHistoryLimit: 3", "revisionHistoryLimit: 0")
    checkout.commit("Keep no history")
    checkout.run("promote", "prod/web", "--full", "--now", AT.format(3), "--no-validate")
    for day in (4, 5):
        run(checkout, "advance", day=day)
    assert set(checkout.replicas("prod/web")) == {"2.0.0"}
    assert needed(checkout) == BOTH - FIRST | {"ConfigMap/web"}


def test_without_the_correction_it_goes_with_the_sources(checkout: Checkout) -> None:
    checkout.edit("rollstep.yaml", "defaults:\n", "defaults:\n  corrections: none\n")
    checkout.commit("Correct nothing")
    run(checkout, "promote", day=3)
    assert needed(checkout) == BOTH - FIRST | {"ConfigMap/web"}
