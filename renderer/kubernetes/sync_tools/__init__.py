"""Argo CD, Flux and kubectl: the safe orders of commits, the objects they need, and whether a commit is live."""
