"""The controller as a pure function: from a world to the writes it would make next, until nothing moves any more.

The behaviour is that of Argo Rollouts v1.9.1 (``rollout/*.go`` and ``utils/*``); each module names the file it follows.
Nothing here reads a clock, a file or a cluster: the time is ``world.now``, availability is in the ReplicaSets.
"""

from __future__ import annotations

from renderer.rollouts.controller.reconcile import Reconciliation, Settled, reconcile, settle
from renderer.rollouts.controller.supported import check_supported
from renderer.rollouts.controller.timing import next_wakeup

__all__ = ["Reconciliation", "Settled", "check_supported", "next_wakeup", "reconcile", "settle"]
