"""The table of rules, its page, and the codes that the program names."""

from __future__ import annotations

import re
from pathlib import Path

from renderer.verbs.lint.rule import GROUPS, PAGE, SEVERITIES
from renderer.verbs.lint.rules import RULES
from renderer.verbs.lint.rules_page import page


def test_the_page_is_made_of_the_table(project: Path):
    assert (project / PAGE).read_text(encoding="utf-8") == page(), "rollstep lint --explain ALL prints it"


def test_every_link_leads_to_a_heading(project: Path):
    headings = re.findall(r"^#+ (.*)$", (project / PAGE).read_text(encoding="utf-8"), re.MULTILINE)
    anchors = [heading.lower() for heading in headings]
    for rule in RULES.values():
        assert rule.link.startswith(f"{PAGE}#")
        assert anchors.count(rule.link.partition("#")[2]) == 1


def test_every_rule_is_whole():
    for code, rule in RULES.items():
        assert code == rule.code
        assert re.fullmatch(r"RS\d{3}", code)
        assert code[:3] in GROUPS
        assert rule.severity in SEVERITIES
        assert rule.title
        assert rule.why.endswith(".")
        assert rule.what_to_do.endswith(".")
    assert list(RULES) == sorted(RULES)
    assert len({rule.title for rule in RULES.values()}) == len(RULES)


def test_every_code_is_named_by_what_finds_it_or_has_its_own_check(project: Path):
    lint, checks = project / "renderer/verbs/lint", project / "renderer/rollouts/checks"
    named: set[str] = set()
    for path in [*checks.glob("*.py"), *lint.glob("*.py")]:
        named |= set(re.findall(r'"(RS\d{3})"', path.read_text(encoding="utf-8")))
    checked = {code for code, rule in RULES.items() if rule.check is not None}
    assert named | checked == set(RULES)
    assert not named & checked
