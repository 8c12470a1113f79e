"""Commits the changed files of apps with a message."""
