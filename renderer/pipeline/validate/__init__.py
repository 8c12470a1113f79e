"""kubeconform: where it is, how it is installed, the schemas it reads, and a run of it."""
