"""Kinds of objects: which have a namespace, and the kinds that belong to a release."""

from __future__ import annotations

from msgspec.structs import replace

from renderer.kubernetes.manifest import Body, Manifest, mapping

ROLLOUT_GROUP = "argoproj.io"
AUTOSCALER = ("autoscaling", "HorizontalPodAutoscaler")
BUDGET = ("policy", "PodDisruptionBudget")
HOOK = "helm.sh/hook"

CLUSTER_SCOPED = frozenset(
    {
        ("", "ComponentStatus"),
        ("", "Namespace"),
        ("", "Node"),
        ("", "PersistentVolume"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "APIService"),
        ("argoproj.io", "ClusterAnalysisTemplate"),
        ("certificates.k8s.io", "CertificateSigningRequest"),
        ("certificates.k8s.io", "ClusterTrustBundle"),
        ("cert-manager.io", "ClusterIssuer"),
        ("external-secrets.io", "ClusterExternalSecret"),
        ("external-secrets.io", "ClusterSecretStore"),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
        ("gateway.networking.k8s.io", "GatewayClass"),
        ("kyverno.io", "ClusterPolicy"),
        ("networking.k8s.io", "IPAddress"),
        ("networking.k8s.io", "IngressClass"),
        ("networking.k8s.io", "ServiceCIDR"),
        ("node.k8s.io", "RuntimeClass"),
        ("policy", "PodSecurityPolicy"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("resource.k8s.io", "DeviceClass"),
        ("resource.k8s.io", "ResourceSlice"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("security.openshift.io", "SecurityContextConstraints"),
        ("storage.k8s.io", "CSIDriver"),
        ("storage.k8s.io", "CSINode"),
        ("storage.k8s.io", "StorageClass"),
        ("storage.k8s.io", "VolumeAttachment"),
        ("storage.k8s.io", "VolumeAttributesClass"),
    }
)
"""Kinds (group, kind) without a namespace.

They are those of ``kubectl api-resources --namespaced=false`` (Kubernetes 1.34) and of common controllers.
"""


def is_rollout(manifest: Manifest) -> bool:
    """Return whether an object is a Rollout of Argo Rollouts."""
    return manifest.kind == "Rollout" and manifest.key.group == ROLLOUT_GROUP


def in_namespace(manifest: Manifest, namespace: str) -> Manifest:
    """Return an object without a namespace in ``namespace``; unchanged if sealed, cluster-scoped or without need."""
    if not namespace or manifest.namespace or manifest.text or (manifest.key.group, manifest.kind) in CLUSTER_SCOPED:
        return manifest
    metadata = {**manifest.metadata, "namespace": namespace}
    return replace(manifest, body={**manifest.body, "metadata": metadata})


def is_hook(body: Body) -> bool:
    """Return whether an object is a hook of Helm, which a sync tool would apply as a plain object."""
    return HOOK in mapping(body, "metadata", "annotations")


def scales_rollout(body: Body, name: str) -> bool:
    """Return whether a HorizontalPodAutoscaler scales the Rollout ``name``."""
    target = mapping(body, "spec", "scaleTargetRef")
    group = str(target.get("apiVersion") or "argoproj.io").partition("/")[0]
    return (group, target.get("kind"), target.get("name")) == ("argoproj.io", "Rollout", name)
