"""The page of rules, made from their table (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from renderer.verbs.lint.rule import GROUPS, Rule
from renderer.verbs.lint.rules import RULES

INTRODUCTION = """\
# Rules of rollstep lint

`rollstep lint --explain CODE` prints what is said here about a rule. A code never changes its meaning. An **error** is
refused by the API server or the controller, or does harm; a **warning** is taken and does something else than it says;
a **note** has no effect.

Which rules count is chosen with `--select` and `--ignore`, or under `lint` in [rollstep.yaml](../settings.md), by code
(`RS410`), by the beginning of codes (`RS4`), or `ALL`; the longer one counts. One line is excepted with a comment on
it, or alone on the line before, that gives the reason:

```yaml
# rollstep: ignore RS420 -- two pods are all that staging has
- setWeight: 20
```

`# rollstep: ignore RS420, RS421 -- ...` names several.
"""


def page() -> str:
    """Return the page with all rules, in Markdown."""
    parts = [INTRODUCTION]
    for prefix, title in GROUPS.items():
        rules = [rule for rule in RULES.values() if rule.code.startswith(prefix)]
        rows = [f"| [{rule.code}](#{rule.anchor}) | {rule.severity} | {rule.title} |" for rule in rules]
        table = "\n".join(("| code | severity | rule |", "|---|---|---|", *rows))
        parts.append(f"## {prefix}xx: {title}\n\n{table}\n")
        parts += [section(rule) for rule in rules]
    return "\n".join(parts)


def section(rule: Rule) -> str:
    """Return what the page says about one rule; the heading is its code alone, so that the anchor is."""
    return f"### {rule.code}\n\n**{rule.title}** ({rule.severity}). {rule.why}\n\nWhat to do: {rule.what_to_do}\n"


def explain(codes: Sequence[str]) -> str:
    """Return the sections of some rules."""
    return "\n".join(section(RULES[code]) for code in codes)
