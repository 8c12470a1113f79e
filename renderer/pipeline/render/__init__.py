"""Renders the objects of a step into files."""
