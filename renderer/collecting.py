"""How often a process looks for objects that only hold each other (shell)."""

from __future__ import annotations


def collect_seldom() -> None:
    """Let this process look for cycles seldom.

    What a run makes of manifests is many objects without cycles: looking for some took a fifth of its time.
    """
    import gc

    gc.set_threshold(200_000)
