"""The page of rules, generated from their table."""

from __future__ import annotations

from collections.abc import Sequence

from renderer.verbs.lint.rule import GROUPS, Rule
from renderer.verbs.lint.rules import RULES

INTRODUCTION = """\
# Rules of rollstep lint

`rollstep lint --explain CODE` prints a rule's section of this page. A code never changes its meaning. The API server or
the controller refuses an **error**, or it does harm; a **warning** is accepted and does something else than it says; a
**note** has no effect.

Select rules with `--select` and `--ignore`, or under `lint` in [rollstep.yaml](../settings.md): by code (`RS410`), by
the beginning of codes (`RS4`), or `ALL`; the longer one wins. A comment on a line, or alone on the line before,
excludes it from rules and gives the reason:

```yaml
# rollstep: ignore RS420 -- two pods are all that staging has
- setWeight: 20
```

`# rollstep: ignore RS420, RS421 -- ...` names several rules.
"""


def page() -> str:
    """Return the page of all rules, in Markdown."""
    parts = [INTRODUCTION]
    for prefix, title in GROUPS.items():
        rules = [rule for rule in RULES.values() if rule.code.startswith(prefix)]
        rows = [f"| [{rule.code}](#{rule.anchor}) | {rule.severity} | {rule.title} |" for rule in rules]
        table = "\n".join(("| code | severity | rule |", "|---|---|---|", *rows))
        parts.append(f"## {prefix}xx: {title}\n\n{table}\n")
        parts += [section(rule) for rule in rules]
    return "\n".join(parts)


def section(rule: Rule) -> str:
    """Return a rule's section; its heading is the code alone, which makes the anchor."""
    return f"### {rule.code}\n\n**{rule.title}** ({rule.severity}). {rule.why}\n\nWhat to do: {rule.what_to_do}\n"


def explain(codes: Sequence[str]) -> str:
    """Return the sections of some rules."""
    return "\n".join(section(RULES[code]) for code in codes)
