"""Imports point one way, from the command line towards a core that reads no file, no clock and no environment."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ORDER = (
    "errors",
    "http",
    "git",
    "git.forges",
    "kubernetes",
    "kubernetes.sync_tools",
    "rollouts.model",
    "rollouts.pod_template",
    "rollouts.analysis",
    "rollouts.controller",
    "rollouts",
    "rollouts.checks",
    "rollouts.simulator",
    "metric_providers",
    "pipeline.load",
    "pipeline.resolve",
    "pipeline.render",
    "pipeline.validate",
    "pipeline.write",
    "pipeline.commit",
    "pipeline.publish",
    "verbs.policy",
    "verbs.cache",
    "verbs",
    "cli",
    "__main__",
)
"""The packages from the bottom to the top: each may import itself and those before it; git and kubernetes are apart."""

MOST_MODULES = 25
LARGE = {"cli.commands", "rollouts.controller"}
"""Packages that may have more modules: a verb each, and the controller's own parts."""
MOST_ENTRIES = 10
"""The most entries of the package itself: its layers, and the two modules that all of them use."""

PURE = ("kubernetes", "rollouts", "pipeline.resolve")
IMPURE = {
    "kubernetes.read_objects": "reads files and standard input",
    "kubernetes.yaml": "knows the YAML libraries, and reads files",
    "pipeline.resolve.rendered_world": "opens an app",
    "pipeline.resolve.release": "opens an app",
    "pipeline.resolve.ordering.check": "names the settings",
    "rollouts.simulator": "reads a scenario",
}
"""Modules and packages of the pure packages that are not pure themselves, each with its reason."""

VALUES = {"pipeline.load.status_file"}
"""Modules that define values which pure modules use, and read or print them as well."""

LOADERS = {"rollouts.controller.routers": {"importlib"}, "rollouts.pod_template.table": {"pkgutil"}}
"""Pure modules that may import more: a router's module by its name, and the table of fields from the package."""

ALLOWED = {
    "__future__", "base64", "binascii", "bisect", "collections", "collections.abc", "copy", "dataclasses", "datetime",
    "decimal", "difflib", "enum", "fractions", "functools", "hashlib", "ipaddress", "itertools", "json", "json.encoder",
    "math", "operator", "re", "string", "types", "typing", "urllib.parse", "xml.etree", "msgspec", "msgspec.structs",
}  # fmt: skip
"""The libraries of a pure module: those that compute and look at nothing around them."""

IMPURE_CALLS = {"__import__", "breakpoint", "eval", "exec", "input", "now", "open", "print", "today", "utcnow"}

OWNERS = {
    "aiohttp": "http",
    "botocore": "metric_providers.aws",
    "click": "cli",
    "distributed": "verbs.apps.parallel",
    "git": "git.remote",
    "jinja2": "pipeline",
    "jsonschema": "pipeline",
    "ruamel": "kubernetes.yaml",
    "yaml": "kubernetes.yaml",
}
"""The module or package that may import a library, for each library."""


class Module:
    """A module of the package: its text, and the modules of the package that it imports, also within functions."""

    def __init__(self, path: Path, known: frozenset[str]) -> None:
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.imported = set(imports(self.tree))
        self.own = {own for name in self.imported if (own := _own(name, known))}


def _own(name: str, known: frozenset[str]) -> str:
    """Return the module of the package that an imported name is or lies in; empty for a library."""
    parts = name.split(".")
    if parts[0] != "renderer":
        return ""
    candidates = (".".join(parts[1:end]) for end in range(len(parts), 1, -1))
    return next((candidate for candidate in candidates if candidate in known), "")


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield every name that is imported, on top or within a function; a relative one begins with dots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            # An imported name may be a module, or what a module defines.
            if name.startswith("renderer"):
                yield from (f"{name}.{alias.name}" for alias in node.names)
            else:
                yield name


def calls(tree: ast.AST) -> Iterator[str]:
    """Yield the last name of everything that is called: ``now`` for ``datetime.now()``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    yield name


def room(name: str) -> str:
    """Return the entry of ``ORDER`` that a module is in."""
    found = [entry for entry in ORDER if lies_in(name, entry)]
    assert found, f"{name} has no place in ORDER"
    return max(found, key=len)


def lies_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def upward(name: str, imported: str) -> bool:
    """Return whether an import points up, or between git and kubernetes."""
    here, there = room(name), room(imported)
    apart = {here.partition(".")[0], there.partition(".")[0]} == {"git", "kubernetes"}
    return apart or ORDER.index(there) > ORDER.index(here)


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return every set of modules that import each other, sorted."""
    reached = {name: _reached(name, graph) for name in graph}
    found = {tuple(sorted(x for x in reached[name] if name in reached[x])) for name in graph if name in reached[name]}
    return sorted(map(list, found))


def _reached(name: str, graph: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    pending = [*graph[name]]
    while pending:
        following = pending.pop()
        if following not in seen:
            seen.add(following)
            pending += graph[following]
    return seen


def impurities(tree: ast.AST, name: str) -> list[str]:
    """Return the imports and calls that a pure module must not have."""
    allowed = ALLOWED | LOADERS.get(name, set())
    foreign = [
        imported
        for imported in imports(tree)
        if imported not in allowed and not (imported.startswith("renderer.") and _is_pure(imported))
    ]
    return foreign + [called for called in calls(tree) if called in IMPURE_CALLS]


def is_pure(name: str) -> bool:
    """Return whether a module has to be pure."""
    return _in(name, PURE) and not _in(name, IMPURE)


def _is_pure(imported: str) -> bool:
    name = imported.removeprefix("renderer.")
    return name == "__version__" or _in(name, {"errors", *VALUES}) or is_pure(name)


def _in(name: str, packages: Iterable[str]) -> bool:
    return any(lies_in(name, package) for package in packages)


@pytest.fixture(scope="session")
def modules(project: Path) -> dict[str, Module]:
    """Return every module by its name within the package; a package is its ``__init__``."""
    root = project / "renderer"
    paths = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    known = frozenset(filter(None, paths))
    return {name: Module(path, known) for name, path in paths.items() if name not in ("", "pipeline")}


def test_no_import_points_up(modules: dict[str, Module]) -> None:
    found = [(name, own) for name, module in modules.items() for own in module.own if upward(name, own)]
    assert found == []


def test_no_modules_import_each_other(modules: dict[str, Module]) -> None:
    assert circles({name: module.own - {name, "pipeline"} for name, module in modules.items()}) == []


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": set()}) == []


@pytest.mark.parametrize(
    ("name", "imported", "points_up"),
    [
        ("git.commit", "pipeline.load.settings", True),
        ("git.commit", "kubernetes.times", True),
        ("kubernetes.times", "git.objects", True),
        ("pipeline.load.app", "pipeline.write.journal", True),
        ("verbs.policy.lag", "verbs.apps.open", True),
        ("verbs.apps.open", "verbs.policy.lag", False),
        ("cli.main", "errors", False),
        ("rollouts.actions", "rollouts.controller.pause", False),
    ],
)
def test_an_import_that_points_up_is_found(name: str, imported: str, points_up: bool) -> None:
    assert upward(name, imported) is points_up


def test_the_rooms_stay_small(project: Path, modules: dict[str, Module]) -> None:
    sizes = Counter(name.rpartition(".")[0] for name in modules)
    assert {package: size for package, size in sizes.items() if size > MOST_MODULES and package not in LARGE} == {}
    entries = {path.name for path in (project / "renderer").iterdir()} - {"__init__.py", "__main__.py", "__pycache__"}
    assert len(entries) <= MOST_ENTRIES, entries


def test_what_computes_is_pure(modules: dict[str, Module]) -> None:
    pure = [name for name in modules if is_pure(name)]
    assert len(pure) > 100
    assert {name: found for name in pure if (found := impurities(modules[name].tree, name))} == {}


def test_the_exceptions_are_still_needed(modules: dict[str, Module]) -> None:
    assert {name for name, more in LOADERS.items() if more & modules[name].imported} == set(LOADERS)
    for entry in IMPURE:
        assert any(impurities(module.tree, name) for name, module in modules.items() if lies_in(name, entry)), entry


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import os", ["os"]),
        ("from pathlib import Path", ["pathlib"]),
        ("def f():\n    import time", ["time"]),
        ("from renderer.git.repository import Head", ["renderer.git.repository.Head"]),
        ("from renderer.verbs import progress", ["renderer.verbs.progress"]),
        ("from .model import Rollout", [".model"]),
        ("from . import commands", ["."]),
        ("import importlib.resources", ["importlib.resources"]),
        ("open('a')", ["open"]),
        ("datetime.now(UTC)", ["now"]),
        ("import datetime\ndatetime.date.today()", ["today"]),
        ("from renderer.rollouts.model.rollout import Rollout\nimport json", []),
        ("from renderer import __version__", []),
    ],
)
def test_what_is_impure_is_found(source: str, found: list[str]) -> None:
    assert impurities(ast.parse(source), "rollouts.actions") == found


def test_each_library_has_its_owner(modules: dict[str, Module]) -> None:
    found: dict[str, set[str]] = {library: set() for library in OWNERS}
    for name, module in modules.items():
        for imported in module.imported:
            library = imported.partition(".")[0]
            # Every value is a struct of msgspec.
            if library not in sys.stdlib_module_names | {"renderer", "msgspec"}:
                found[library].add(name)
    assert all(found.values()), "a library that nobody imports"
    strangers = [(lib, name) for lib, names in found.items() for name in names if not lies_in(name, OWNERS[lib])]
    assert strangers == []


def test_the_command_line_starts_without_what_only_some_verbs_need() -> None:
    heavy = ["git", "jinja2", "jsonschema", "ruamel", "yaml", "kubernetes_validate", "renderer.rollouts", "subprocess"]
    program = f"import sys, json, renderer.cli.main; print(json.dumps([m for m in {heavy} if m in sys.modules]))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == []
