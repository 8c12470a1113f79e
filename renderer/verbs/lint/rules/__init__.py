"""The table of all rules: a new rule is a row of one of these modules."""

from __future__ import annotations

from renderer.verbs.lint.rule import Rule
from renderer.verbs.lint.rules import comments, reading, references, schema, silent, validation

RULES: dict[str, Rule] = {
    rule.code: rule for module in (reading, schema, validation, references, silent, comments) for rule in module.RULES
}
"""Every rule by its code, in order."""
