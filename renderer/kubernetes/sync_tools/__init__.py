"""Argo CD and Flux: which order of commits is safe with each, and whether a commit is live."""
