"""Verbs that commit or propose steps."""
