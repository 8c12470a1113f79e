"""Policies that keep a release back: freezes, lag and approvals."""
