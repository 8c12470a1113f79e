"""Rules about ignore comments (pure)."""

from __future__ import annotations

from renderer.verbs.lint.rule import Rule

RULES = (
    Rule(
        "RS901",
        "warning",
        "An ignore without a reason",
        "Who reads it later has to know why the rule does not count here.",
        "Write `# rollstep: ignore RS410 -- the reason`.",
    ),
    Rule(
        "RS902",
        "warning",
        "An ignore that matches nothing",
        "What it hid is gone, or stands on another line; left there it would hide the next one.",
        "Take the comment, or the code in it, away.",
    ),
    Rule(
        "RS903",
        "warning",
        "An ignore that cannot be read",
        "It names no rule, or one that does not exist, and so ignores nothing.",
        "Write `# rollstep: ignore RS410 -- the reason`, with more codes after commas.",
    ),
)
