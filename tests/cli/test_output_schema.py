"""``--output json`` is an interface: what every verb prints fits its schema, which the documentation lists."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from renderer.cli.main import VERBS
from renderer.cli.output_schema import ENTRIES, SCHEMA_FILE, output_schema
from tests.support.commands import NOON, PROJECT, TWO, Checkout

LATER = "2026-03-01T13:00:00Z"
PAGE = PROJECT / "docs/reference/json.md"
STATE = ("phase", "currentStepIndex", "steps", "revision", "reason", "message", "until", "waitingVersion")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout with prod/web at a timed pause, prod/api complete, and another version waiting."""
    checkout = Checkout(tmp_path_factory.mktemp("repo") / "repo")
    checkout.run("advance", "prod", "--now", NOON, "--no-validate")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    checkout.run("promote", "prod/web", "--now", NOON, "--no-validate")
    checkout.edit("environments/prod/web/rollout.yaml", "web:2.0.0", "web:3.0.0")
    checkout.commit("Another version")
    return checkout


@pytest.fixture
def checkout(shared: Checkout, tmp_path: Path) -> Checkout:
    return shared.copy(tmp_path / "repo")


def valid(checkout: Checkout, *arguments: str, code: int = 0) -> Any:
    """Return what a command prints as JSON, and expect that it fits the schema of the command and is not empty."""
    found = checkout.json(*arguments, code=code)
    validator = Draft202012Validator(output_schema(arguments[0]), format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert [error.message for error in validator.iter_errors(found)] == []
    assert found
    return found


@pytest.mark.parametrize("verb", ENTRIES)
def test_the_schema_is_one(checkout: Checkout, verb: str) -> None:
    assert verb in VERBS
    schema = json.loads(checkout.run("schema", "--of", verb).stdout)
    Draft202012Validator.check_schema(schema)
    assert not Draft202012Validator(schema).is_valid([{"something": "else"}])


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["get"],
        ["plan"],
        ["history", "prod"],
        ["history", "prod/web", "--revision", "2"],
        ["diff", "prod/web", "--to", "6"],
        ["advance", "--all", "--dry-run"],
        ["promote", "prod/web", "--full", "--dry-run"],
        ["abort", "prod/web", "--dry-run"],
        ["undo", "prod/web", "--dry-run"],
        ["pause", "prod/web", "--dry-run"],
        ["restart", "prod/web", "--dry-run"],
        ["scale", "prod/web", "3", "--dry-run"],
        ["set", "image", "prod/web", "web=x:4", "--dry-run"],
        ["render", "prod", "--dry-run"],
        ["lint", "environments/prod"],
        ["verify"],
        ["replay"],
        ["freeze", "add", "--until", "2027-01-01T00:00:00Z", "--reason", "Sale", "--dry-run"],
        ["approve", "HEAD~1", "--dry-run"],
        ["site", "--out", ".git/site"],
    ],
    ids=" ".join,
)
def test_what_a_verb_prints_fits_its_schema(shared: Checkout, arguments: list[str]) -> None:
    if arguments[0] == "lint":
        shared.edit("environments/prod/web/rollout.yaml", "setWeight: 20", "setWeight: 120")
    try:
        valid(shared, *arguments, code=1 if arguments[0] == "lint" else 0)
    finally:
        shared.git("checkout", "--quiet", "environments")


def test_what_a_check_prints_fits_its_schema(checkout: Checkout) -> None:
    checkout.edit("environments/prod/web/configmap.yaml", "LOG_LEVEL: info", "LOG_LEVEL: debug")
    assert "LOG_LEVEL" in valid(checkout, "render", "prod/web", "--check", code=1)[0]["diff"]
    written = valid(checkout, "render", "prod/web")[0]
    assert (written["diff"], written["waitingVersion"], written["upToDate"]) == (None, "3.0.0", False)


def test_a_release_has_the_same_state_everywhere(shared: Checkout) -> None:
    now = ("--now", NOON)
    (status,), (tree,) = shared.json("status", "prod/web", *now), shared.json("get", "prod/web", *now)
    (step,) = shared.json("advance", "prod/web", "--dry-run", *now)
    (plan,) = shared.json("plan", "prod/web", *now)
    expected = ("Paused", 3, 6, 2, "CanaryPauseStep", status["message"], "2026-03-01T12:10:00Z", "3.0.0")
    for entry in (status, tree):
        assert tuple(entry[key] for key in STATE) == expected
    assert (plan["currentStepIndex"], plan["steps"], plan["waitingVersion"]) == (3, 6, "3.0.0")
    assert step.keys() >= set(STATE)


def test_a_freeze_and_its_end_are_data(checkout: Checkout) -> None:
    before = checkout.snapshot()
    add = ("freeze", "add", "--until", "2027-01-01T00:00:00Z", "--reason", "Sale", "--now", NOON)
    (planned,) = valid(checkout, *add, "--dry-run")
    assert (planned["dryRun"], planned["commit"], planned["environments"]) == (True, None, [])
    assert checkout.snapshot() == before
    (added,) = valid(checkout, *add)
    assert (added["name"], added["state"], added["commit"]) == ("sale", "active", checkout.head)
    (listed,) = valid(checkout, "freeze", "list", "--now", NOON)
    assert listed == {key: added[key] for key in listed}
    assert valid(checkout, "freeze", "lift", "sale", "--dry-run")[0]["commit"] is None
    assert valid(checkout, "freeze", "lift", "sale")[0]["commit"] == checkout.head


def test_a_quarantine_and_its_lift_are_data(checkout: Checkout) -> None:
    image = "registry.example.com/shop/web:3.0.0"
    (added,) = valid(checkout, "quarantine", "add", image, "--app", "web", "--reason", "Slow", "--now", NOON)
    assert (added["image"], added["app"], added["verdict"], added["commit"]) == (image, "web", None, checkout.head)
    (listed,) = valid(checkout, "quarantine", "list")
    assert listed == {key: added[key] for key in listed}
    for verb in ("status", "get", "plan", "advance"):
        (entry,) = valid(checkout, verb, "prod/web", *(["--dry-run"] if verb == "advance" else []))
        assert "3.0.0 is in quarantine since 2026-03-01T12:00:00Z: Slow" in entry["quarantine"]
    assert valid(checkout, "quarantine", "lift", image, "--reason", "Fast")[0]["commit"] == checkout.head


def test_dry_runs_of_an_approval_and_a_replay_write_no_ref(checkout: Checkout) -> None:
    refs = checkout.git("for-each-ref")
    (approved,) = valid(checkout, "approve", "HEAD~1", "--dry-run")
    assert approved["tag"].startswith("refs/tags/approvals/")
    assert "[dry run] approved: " in checkout.run("approve", "HEAD~1", "--dry-run").stdout
    assert "is not a valid name" in checkout.run("replay", "--to", "a..b", "--dry-run", code=1).stderr
    replayed = valid(checkout, "replay", "--to", "again", "--dry-run")
    assert {entry["replayedCommit"] for entry in replayed} == {None}
    assert checkout.git("for-each-ref") == refs
    assert (
        valid(checkout, "replay", "--to", "again")[-1]["replayedCommit"] == checkout.git("rev-parse", "again").strip()
    )


def tables() -> dict[str, str]:
    """Return the table of each definition of the schema."""
    definitions = json.loads((PROJECT / "renderer/cli" / SCHEMA_FILE).read_text(encoding="utf-8"))["$defs"]
    return {name: table(definition) for name, definition in definitions.items()}


def table(definition: dict[str, Any]) -> str:
    rows = ["| field | type | content |", "|---|---|---|"]
    for name, body in definition["properties"].items():
        optional = "" if name in definition["required"] else ", may be missing"
        rows.append(f"| `{name}` | {type_text(body)}{optional} | {body['description']} |")
    return "\n".join(rows)


def type_text(body: dict[str, Any]) -> str:
    if "anyOf" in body:
        first, null = body["anyOf"]
        assert null == {"type": "null"}
        return f"{type_text(first)} or null"
    if "$ref" in body:
        name = body["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if body["type"] == "array":
        return f"list of {type_text(body['items'])}"
    kind, *null = body["type"] if isinstance(body["type"], list) else [body["type"]]
    return ("time (RFC 3339)" if "format" in body else kind) + (" or null" if null else "")


@pytest.mark.parametrize("name", tables())
def test_the_page_lists_every_field(name: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    section = re.search(rf"^## {name}\n\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
    assert section is not None
    assert tables()[name] in section[1]


def test_the_page_names_the_entries_of_every_verb() -> None:
    page = PAGE.read_text(encoding="utf-8").partition("\n## ")[0]
    for verb, names in ENTRIES.items():
        (row,) = [line for line in page.splitlines() if line.startswith("| ") and f"`{verb}`" in line.split("|")[1]]
        assert re.findall(r"\(#(\w+)\)", row) == [name.lower() for name in names]
