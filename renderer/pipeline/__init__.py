"""The line from manifests to a commit: load, resolve, render, validate, write, commit, publish."""
