"""YAML and JSON: read as Kubernetes reads them, print, and edit files in place."""
