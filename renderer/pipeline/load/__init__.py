"""Loads settings and apps: from files, templates, a command or a stream."""

ALLOW_EXEC = "ROLLSTEP_ALLOW_EXEC"
"""The environment variable that allows the programs which the repository names."""
