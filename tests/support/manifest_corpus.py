"""1,000 valid and invalid manifests, the same in every run, to compare two validators."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from renderer.kubernetes.yaml.reader import load_documents, read_text
from renderer.pipeline.render.files import RenderContext, render
from renderer.pipeline.resolve.commit_content import rendered
from renderer.rollouts.simulator.scenario import read_scenario, simulate
from tests.support.yaml_corpus import Dice

DATA = Path(__file__).parents[1] / "data"
SIZE = 1000
VALID = 250
ODD: tuple[Any, ...] = (None, True, 0, 1, -1, 70000, 1.5, 2**31, 2**63, 1e30, "", "x", "80", "true", "1.5Gi", [], {})
ODDER: tuple[Any, ...] = (["x"], {"x": "y"}, [None], "x" * 300, "2026-02-30T25:00:00Z", "100m%", "ClusterIp", "é")
HEADS: tuple[Any, ...] = (None, "v9", "apps/v1", "Service", "ReplicaSet", "../v1", "x" * 300, 1, {}, {"name": 1}, [])


def bases() -> list[dict[str, Any]]:
    """Return valid objects: those of ``valid.yaml``, and a few rendered ones of each kind."""
    found = list(yaml.safe_load_all((DATA / "validate" / "valid.yaml").read_text(encoding="utf-8")))
    counts: dict[str, int] = {}
    seen = set()
    for path in sorted((DATA / "conformance" / "scenarios").glob("*/*.yaml")):
        world = next(iter(simulate(read_scenario(read_text(path), str(path))))).world
        objects = list({**world.objects, **rendered(world)}.values())
        context = RenderContext(world.rollout.name, "prod")
        for name, text in render(objects, user_templates=None, context=context).items():
            if name == "kustomization.yaml" or text in seen:
                continue
            seen.add(text)
            (document,) = load_documents(text, name)
            kind = document.value["kind"]
            counts[kind] = counts.get(kind, 0) + 1
            if counts[kind] <= 15:
                found.append(document.value)
    return found


def manifests(size: int = SIZE) -> Iterator[tuple[str, str]]:
    """Yield a name and a text for each manifest: valid ones first, then ones with one to three changes."""
    dice = Dice(20260302)
    right = bases()
    for number, body in enumerate(right[:VALID]):
        yield f"{number:04}-right.yaml", yaml.safe_dump(body, sort_keys=False)
    for number in range(min(len(right), VALID), size):
        body = copy.deepcopy(right[dice.below(len(right))])
        if dice.often(15):
            name, text = damaged_text(dice, yaml.safe_dump(body, sort_keys=False))
        else:
            names = [change(dice, body) for _ in range(1 + (dice.below(3) if dice.often(30) else 0))]
            name, text = "-".join(names), json.dumps(body) if dice.often(20) else yaml.safe_dump(body, sort_keys=False)
        yield f"{number:04}-{name}.yaml", text


def places(body: Any) -> list[tuple[Any, Any]]:
    """Return every container and key below ``body``, in order."""
    entries: Sequence[tuple[Any, Any]] = ()
    if isinstance(body, dict):
        entries = list(body.items())
    elif isinstance(body, list):
        entries = list(enumerate(body))
    found = []
    for key, value in entries:
        found.append((body, key))
        found += places(value)
    return found


def change(dice: Dice, body: dict[str, Any]) -> str:
    """Make one change somewhere in ``body``; return its description."""
    found = places(body)
    if not found:
        body["typo"] = 1
        return "typo"
    parent, key = found[dice.below(len(found))]
    value = parent[key]
    match dice.below(8):
        case 0:
            parent[key] = copy.deepcopy((*ODD, *ODDER)[dice.below(len(ODD) + len(ODDER))])
            return "value"
        case 1:
            parent[key] = str(value) if not isinstance(value, str) else dice.below(100)
            return "type"
        case 2:
            mapping = parent if isinstance(parent, dict) else body
            mapping[dice.one(("typo", "spec", "replica", "x-y", "Name", ""))] = dice.below(9)
            return "unknown"
        case 3:
            del parent[key]
            return "missing"
        case 4:
            parent[key] = [value]
            return "list"
        case 5 if isinstance(parent, dict):
            parent[str(key).swapcase() if dice.often(50) else f"{key}s"] = parent.pop(key)
            return "renamed"
        case 6:
            name = dice.one(("apiVersion", "kind", "metadata"))
            body[name] = HEADS[dice.below(len(HEADS))]
            return "head"
        case _:
            parent[key] = {"x": value}
            return "object"


def damaged_text(dice: Dice, text: str) -> tuple[str, str]:
    """Return the description of a change to a text, and the changed text."""
    lines = text.splitlines(keepends=True)
    at = dice.below(len(lines))
    match dice.below(8):
        case 0:
            return "duplicate", "".join([*lines[: at + 1], lines[at], *lines[at + 1 :]])
        case 1:
            return "indent", "".join([*lines[:at], " " + lines[at], *lines[at + 1 :]])
        case 2:
            return "tab", "".join([*lines[:at], "\t" + lines[at], *lines[at + 1 :]])
        case 3:
            return "documents", f"---\n{text}---\n# nothing\n---\n{text}"
        case 4:
            return "crlf", text.replace("\n", "\r\n")
        case 5:
            return "words", text.replace("'", "").replace('"', "")
        case 6:
            return "list", "apiVersion: v1\nkind: List\nitems:\n" + "".join(
                f"{'- ' if not n else '  '}{line}" for n, line in enumerate(lines)
            )
        case _:
            return "cut", "".join(lines[:at])
