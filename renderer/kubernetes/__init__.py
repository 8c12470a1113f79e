"""Kubernetes: objects, selectors, times, YAML and the tools that apply manifests."""
