"""Analyses of releases: their measurements, and the checks of them."""
