"""YAML and JSON: reading as Kubernetes reads it, printing, and editing a file in place."""
