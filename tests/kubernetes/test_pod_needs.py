from __future__ import annotations

from typing import Any

import pytest

from renderer.kubernetes.manifest import Manifest, ObjectKey
from renderer.kubernetes.pod_needs import needed_objects


def manifest(api_version: str, kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **more}


SECRET = {"volumes": [{"secret": {"secretName": "keys"}}]}


@pytest.mark.parametrize(
    ("pod", "body"),
    [
        (SECRET, manifest("v1", "Secret", "keys")),
        (SECRET, manifest("bitnami.com/v1alpha1", "SealedSecret", "keys")),
        (SECRET, manifest("external-secrets.io/v1", "ExternalSecret", "keys")),
        (SECRET, manifest("external-secrets.io/v1", "ExternalSecret", "vault", spec={"target": {"name": "keys"}})),
        ({"imagePullSecrets": [{"name": "keys"}]}, manifest("v1", "Secret", "keys")),
        ({"containers": [{"envFrom": [{"configMapRef": {"name": "env"}}]}]}, manifest("v1", "ConfigMap", "env")),
        ({"serviceAccount": "web"}, manifest("v1", "ServiceAccount", "web")),
        (
            {"volumes": [{"csi": {"volumeAttributes": {"secretProviderClass": "vault"}}}]},
            manifest("secrets-store.csi.x-k8s.io/v1", "SecretProviderClass", "vault"),
        ),
        (
            {"resourceClaims": [{"resourceClaimTemplateName": "gpu"}]},
            manifest("resource.k8s.io/v1", "ResourceClaimTemplate", "gpu"),
        ),
    ],
)
def test_what_a_pod_refers_to_is_needed(pod: dict[str, Any], body: dict[str, Any]) -> None:
    key = Manifest(body).key
    assert needed_objects(iter([{"spec": pod}]), {key: body}) == {key}
    assert needed_objects(iter([{"spec": {"containers": [{"image": "web"}]}}]), {key: body}) == set()


def test_what_a_needed_object_needs_is_needed() -> None:
    subjects: list[Any] = [{"kind": "User", "name": "x"}, "web"]
    offered = [
        manifest("v1", "ServiceAccount", "web", secrets=[{"name": "token"}]),
        manifest("v1", "Secret", "token"),
        manifest("rbac.authorization.k8s.io/v1", "Role", "reader"),
        manifest("rbac.authorization.k8s.io/v1", "RoleBinding", "web", roleRef={"name": "reader"}, subjects=subjects),
        manifest("v1", "Service", "web"),
    ]
    objects = {Manifest(body).key: body for body in offered}
    templates = [{"spec": {"serviceAccountName": "web"}}]
    assert {key.kind for key in needed_objects(iter(templates), objects)} == {"ServiceAccount", "Secret"}
    subjects.append({"kind": "ServiceAccount", "name": "web"})
    found = needed_objects(iter(templates), objects)
    assert found == objects.keys() - {ObjectKey("", "Service", "", "web")}
