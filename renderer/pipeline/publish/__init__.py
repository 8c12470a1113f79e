"""Publishes commits: environment branches and pushes."""
