"""Rules about ignore comments."""

from __future__ import annotations

from renderer.verbs.lint.rule import Rule

RULES = (
    Rule(
        "RS901",
        "An ignore comment without a reason",
        "Later readers need to know why the rule does not apply here.",
        "Write `# rollstep: ignore RS410 -- the reason`.",
        severity="warning",
    ),
    Rule(
        "RS902",
        "An ignore comment that matches nothing",
        "The ignored finding was corrected or is on another line; the comment would hide the next one.",
        "Remove the comment, or the code in it.",
        severity="warning",
    ),
    Rule(
        "RS903",
        "An invalid ignore comment",
        "It names no rule or an unknown one, so it ignores nothing.",
        "Write `# rollstep: ignore RS410 -- the reason`; separate several codes by commas.",
        severity="warning",
    ),
)
