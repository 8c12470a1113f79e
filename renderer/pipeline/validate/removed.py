"""API versions of Kubernetes that newer versions no longer serve (the Deprecated API Migration Guide)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Removal(NamedTuple):
    """The Kubernetes version that removed a kind from an API version, and the one to use; empty without one."""

    version: str
    instead: str = ""


_WORKLOADS, _RBAC, _WEBHOOKS = "apps/v1", "rbac.authorization.k8s.io/v1", "admissionregistration.k8s.io/v1"
_STORAGE = "storage.k8s.io/v1"

REMOVED: Mapping[tuple[str, str], Removal] = {
    **{
        (version, kind): Removal("1.16", _WORKLOADS)
        for version in ("extensions/v1beta1", "apps/v1beta1", "apps/v1beta2")
        for kind in ("Deployment", "DaemonSet", "ReplicaSet", "StatefulSet")
    },
    ("extensions/v1beta1", "NetworkPolicy"): Removal("1.16", "networking.k8s.io/v1"),
    **{
        (version, kind): Removal("1.22", "networking.k8s.io/v1")
        for version in ("extensions/v1beta1", "networking.k8s.io/v1beta1")
        for kind in ("Ingress", "IngressClass")
    },
    **{
        ("rbac.authorization.k8s.io/v1beta1", kind): Removal("1.22", _RBAC)
        for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    },
    **{
        ("admissionregistration.k8s.io/v1beta1", kind): Removal("1.22", _WEBHOOKS)
        for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
    },
    **{
        ("storage.k8s.io/v1beta1", kind): Removal("1.22", _STORAGE)
        for kind in ("CSIDriver", "CSINode", "StorageClass", "VolumeAttachment")
    },
    ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition"): Removal("1.22", "apiextensions.k8s.io/v1"),
    ("apiregistration.k8s.io/v1beta1", "APIService"): Removal("1.22", "apiregistration.k8s.io/v1"),
    ("certificates.k8s.io/v1beta1", "CertificateSigningRequest"): Removal("1.22", "certificates.k8s.io/v1"),
    ("coordination.k8s.io/v1beta1", "Lease"): Removal("1.22", "coordination.k8s.io/v1"),
    ("scheduling.k8s.io/v1beta1", "PriorityClass"): Removal("1.22", "scheduling.k8s.io/v1"),
    ("batch/v2alpha1", "CronJob"): Removal("1.21", "batch/v1"),
    ("batch/v1beta1", "CronJob"): Removal("1.25", "batch/v1"),
    ("discovery.k8s.io/v1beta1", "EndpointSlice"): Removal("1.25", "discovery.k8s.io/v1"),
    ("events.k8s.io/v1beta1", "Event"): Removal("1.25", "events.k8s.io/v1"),
    ("node.k8s.io/v1beta1", "RuntimeClass"): Removal("1.25", "node.k8s.io/v1"),
    ("policy/v1beta1", "PodDisruptionBudget"): Removal("1.25", "policy/v1"),
    ("policy/v1beta1", "PodSecurityPolicy"): Removal("1.25"),
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler"): Removal("1.25", "autoscaling/v2"),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler"): Removal("1.26", "autoscaling/v2"),
    ("storage.k8s.io/v1beta1", "CSIStorageCapacity"): Removal("1.27", _STORAGE),
    **{
        (f"flowcontrol.apiserver.k8s.io/{version}", kind): Removal(removed, "flowcontrol.apiserver.k8s.io/v1")
        for version, removed in (("v1beta1", "1.26"), ("v1beta2", "1.29"), ("v1beta3", "1.32"))
        for kind in ("FlowSchema", "PriorityLevelConfiguration")
    },
}
"""The removals by apiVersion and kind."""
