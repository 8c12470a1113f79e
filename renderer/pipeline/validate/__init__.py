"""Validation of rendered manifests by JSON schemas: with kubeconform, or with the built-in validator."""
