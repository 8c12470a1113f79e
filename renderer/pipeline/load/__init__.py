"""Loads settings and apps: from files, templates, a command or a stream."""
