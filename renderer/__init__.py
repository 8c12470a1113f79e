"""rollstep: progressive delivery rendered into git."""

__version__ = "0.1.0"
