"""Imports within the controller go one way, including those in functions."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "renderer.rollouts.controller"


def _imports(path: Path, modules: set[str]) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            # An imported name may be a module or what a module defines.
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found & modules


def _graph(root: Path) -> dict[str, set[str]]:
    paths = {
        ".".join((PACKAGE, *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in sorted(root.rglob("*.py"))
    }
    return {name: _imports(path, set(paths) - {PACKAGE}) for name, path in paths.items()}


def test_no_module_imports_one_that_imports_it(project: Path) -> None:
    graph = _graph(project / "renderer" / "rollouts" / "controller")
    assert {f"{PACKAGE}.context", f"{PACKAGE}.routers.nginx"} <= graph.keys()
    TopologicalSorter(graph).prepare()


def test_a_circle_is_found(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("def f():\n    from renderer.rollouts.controller.two import g\n")
    (tmp_path / "two.py").write_text("from renderer.rollouts.controller import one\n")
    with pytest.raises(CycleError):
        TopologicalSorter(_graph(tmp_path)).prepare()
