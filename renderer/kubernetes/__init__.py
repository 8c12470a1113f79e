"""Kubernetes: objects, selectors, times, YAML, and the tools that apply manifests."""

KUBERNETES_VERSION = "1.34"
"""The default of ``kubernetesVersion``; ``settings_schema.json`` repeats it for ``rollstep schema``."""

MAX_BYTES = 16_000_000
"""Bytes of one file, or of a stream; the custom resource definitions of large operators have some megabytes."""
