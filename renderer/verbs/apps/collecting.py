"""How often a process looks for objects that only hold each other (shell)."""

from __future__ import annotations


def collect_seldom() -> None:
    """Let this process look for cycles seldom, and not in what is left when it ends.

    What a run makes of manifests is many objects without cycles: looking for some took a fifth of its time.  At its end
    the interpreter looks through all modules for them, which takes longer than to import half of them.
    """
    import atexit
    import gc

    gc.set_threshold(200_000)
    atexit.register(gc.freeze)
