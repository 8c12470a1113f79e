"""Argo Rollouts as pure functions."""
