"""The checks of a Rollout and of the objects that it refers to."""

from __future__ import annotations

from renderer.rollouts.checks.rollout import check, check_and_read

__all__ = ["check", "check_and_read"]
