"""Imports point one way, from the command line towards a core that reads no file, no clock and no environment."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = {
    "api_server",
    "approval",
    "autoscaling",
    "changes",
    "check",
    "committed",
    "describe",
    "destinations",
    "duration",
    "engine",
    "errors",
    "freeze",
    "ingress_routes",
    "lag",
    "lint",
    "liveness",
    "manifest",
    "migration",
    "model",
    "phases",
    "waves",
    "plan",
    "pod_defaults",
    "pod_template",
    "release",
    "roles",
    "rollout_reader",
    "rollout_spec",
    "rollout_status",
    "sealed",
    "selectors",
    "shape",
    "strategy_status",
    "structs",
    "sync_tools",
    "tables",
    "transitions",
    "tree",
    "verbs",
    "versioned_config",
}
"""Modules and packages of the core: functions of their arguments alone."""

SHELL = {
    "__main__",
    "ahead",
    "app_release",
    "approve",
    "batches",
    "cli",
    "collecting",
    "commands",
    "commit",
    "current_release",
    "demo",
    "compiled_templates",
    "discover",
    "environment_branches",
    "executors",
    "forges",
    "freeze_file",
    "git",
    "git_objects",
    "git_process",
    "git_trees",
    "history",
    "holds",
    "journal",
    "json_io",
    "kubeconform",
    "landed",
    "layouts",
    "limited",
    "lint_files",
    "lint_text",
    "load",
    "locks",
    "memory",
    "message",
    "objects",
    "open_to_write",
    "operate",
    "order_check",
    "outcome",
    "plan_release",
    "prepare",
    "progress",
    "propose",
    "publication",
    "publish",
    "pull_request_steps",
    "pull_request_text",
    "pull_requests",
    "push",
    "race",
    "remembered",
    "remote",
    "render",
    "render_cache",
    "rendered_app",
    "rendered_folder",
    "replay",
    "request",
    "resolve",
    "scaffold",
    "scaffold_files",
    "scratch",
    "settings",
    "settings_check",
    "shards",
    "signatures",
    "simulate",
    "simulate_frames",
    "simulate_table",
    "source_edit",
    "sources",
    "spool",
    "staging",
    "state",
    "stateless",
    "status_rows",
    "step_diff",
    "transaction",
    "uncommitted",
    "validate",
    "verify",
    "waiting",
    "workspace",
    "write",
    "write_fleet",
    "write_release",
    "yaml_blocks",
    "yaml_dump",
    "yaml_edit",
    "yaml_io",
    "yaml_layout",
    "yaml_nodes",
    "yaml_pieces",
    "yaml_rewrite",
    "yaml_scalars",
    "yaml_stream",
    "yaml_values",
}
"""Everything else: what knows files, processes, formats, git or the command line."""

PURE = {
    "__future__",
    "base64",
    "binascii",
    "bisect",
    "collections",
    "collections.abc",
    "copy",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "ipaddress",
    "itertools",
    "json",
    "json.encoder",
    "math",
    "operator",
    "re",
    "string",
    "types",
    "typing",
    "urllib.parse",
    "xml.etree",
} | {"msgspec", "msgspec.structs"}
"""What the core may import: of the standard library what computes and does not look around, and frozen values."""

LOADERS = {"engine.routers": {"importlib"}, "pod_template.table": {"pkgutil"}}
"""Modules of the core that may import more: a router's module by its name, and the table of fields from the package."""

IMPURE_CALLS = {"__import__", "breakpoint", "eval", "exec", "input", "now", "open", "print", "today", "utcnow"}

OWNERS = {
    "click": {
        "cli",
        "commands",
        "open_to_write",
        "operate",
        "propose",
        "pull_requests",
        "push",
        "waiting",
        "write_fleet",
        "write_release",
    },
    "distributed": {"executors"},
    "git": {"remote"},
    "jinja2": {"compiled_templates", "layouts", "limited", "sources"},
    "jsonschema": {"kubeconform", "settings_check"},
    "ruamel": {"yaml_rewrite"},
    "yaml": {"yaml_blocks", "yaml_edit", "yaml_io", "yaml_layout", "yaml_nodes", "yaml_pieces", "yaml_stream"},
}
"""Who may import each library: YAML is read in one module and edited in another, manifests are laid out in one and a
user's own templates filled in another, and GitPython talks to remotes."""


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the name of every module that is imported, on top or within a function; a relative one begins with dots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            # `from renderer import engine` names a module too.
            yield from (f"{name}.{alias.name}" for alias in node.names) if name == "renderer" else (name,)


def calls(tree: ast.AST) -> Iterator[str]:
    """Yield the last name of everything that is called: ``now`` for ``datetime.now()``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    yield name


def impurities(source: str, module: str) -> list[str]:
    """Return what the core must not have in ``source``, the text of the core's ``module``."""
    tree = ast.parse(source)
    allowed = PURE | LOADERS.get(module, set()) | {"renderer.__version__"}
    foreign = [
        name
        for name in imports(tree)
        if name not in allowed and not (name.startswith("renderer.") and name.split(".")[1] in CORE)
    ]
    return foreign + [name for name in calls(tree) if name in IMPURE_CALLS]


@pytest.fixture(scope="session")
def sources(project: Path) -> dict[str, str]:
    """Return the text of every module by its name within the package; a package is its ``__init__``."""
    root = project / "renderer"
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            found[name] = path.read_text(encoding="utf-8")
    return found


def test_every_module_has_its_place(sources: dict[str, str]) -> None:
    assert sorted({name.partition(".")[0] for name in sources}) == sorted(CORE | SHELL)
    assert not CORE & SHELL


def test_the_exceptions_are_still_needed(sources: dict[str, str]) -> None:
    assert {name for name in LOADERS if LOADERS[name] & set(imports(ast.parse(sources[name])))} == set(LOADERS)


def test_the_core_is_pure(sources: dict[str, str]) -> None:
    core = {name: text for name, text in sources.items() if name.partition(".")[0] in CORE}
    assert {name: found for name, text in core.items() if (found := impurities(text, name))} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import os", ["os"]),
        ("from pathlib import Path", ["pathlib"]),
        ("def f():\n    import time", ["time"]),
        ("from renderer.git.repository import Head", ["renderer.git.repository"]),
        ("from renderer import git", ["renderer.git.repository"]),
        ("from .model import Rollout", [".model"]),
        ("from . import commands", ["."]),
        ("import importlib.resources", ["importlib.resources"]),
        ("open('a')", ["open"]),
        ("datetime.now(UTC)", ["now"]),
        ("import datetime\ndatetime.date.today()", ["today"]),
        ("from renderer.rollouts.model.rollout import Rollout\nimport json", []),
        ("from renderer import __version__, model", []),
    ],
)
def test_what_is_impure_is_found(source: str, found: list[str]) -> None:
    assert impurities(source, "plan") == found


def test_only_the_command_line_knows_the_command_line(sources: dict[str, str]) -> None:
    for name, text in sources.items():
        imported = set(imports(ast.parse(text)))
        if name not in {"__main__", "commands.completion"}:
            assert "renderer.cli.main" not in imported, name
        if name.partition(".")[0] not in {"cli", "commands"}:
            assert not any(module.startswith("renderer.cli.commands") for module in imported), name


def test_each_library_has_its_owner(sources: dict[str, str]) -> None:
    found: dict[str, set[str]] = {library: set() for library in OWNERS}
    for name, text in sources.items():
        for module in imports(ast.parse(text)):
            library = module.partition(".")[0]
            # What all values are made with is everybody's.
            if library not in sys.stdlib_module_names | {"renderer", "msgspec"}:
                found[library].add(name.partition(".")[0])
    assert found == OWNERS


def test_the_command_line_starts_without_what_only_some_verbs_need() -> None:
    heavy = [
        "git",
        "jinja2",
        "jsonschema",
        "ruamel",
        "yaml",
        "kubernetes_validate",
        "renderer.rollouts.controller",
        "subprocess",
    ]
    program = f"import sys, json, renderer.cli.main; print(json.dumps([m for m in {heavy} if m in sys.modules]))"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == []
