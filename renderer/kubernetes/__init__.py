"""Kubernetes: objects, selectors, times, YAML, and the tools that apply manifests."""

KUBERNETES_VERSION = "1.34"
"""The default of ``kubernetesVersion``; ``settings_schema.json`` repeats it for ``rollstep schema``."""
