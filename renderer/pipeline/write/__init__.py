"""Writes files: all of them or none."""
