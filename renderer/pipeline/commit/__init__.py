"""Commits written files with their message."""
