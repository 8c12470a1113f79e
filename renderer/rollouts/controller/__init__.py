"""The Argo Rollouts controller v1.9.1 as a pure function of a world; each module names the Go file it follows.

The time is ``world.now``; available pods are counted in the ReplicaSets.
"""

from __future__ import annotations

from renderer.rollouts.controller.reconcile import Reconciliation, Settled, reconcile, settle
from renderer.rollouts.controller.timing import next_wakeup
from renderer.rollouts.controller.unsupported import unsupported_fields

__all__ = ["Reconciliation", "Settled", "next_wakeup", "reconcile", "settle", "unsupported_fields"]
