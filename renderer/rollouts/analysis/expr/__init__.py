"""The expression language of conditions: expr-lang/expr v1.17.7, typed and evaluated as its Go compiler does.

No Python implementation of the language covers its types.  An expression passes the lexer, the parser, the checker of
types and the optimizer, whose rewriting changes which errors occur, and is then evaluated within a budget of steps and
memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from renderer.rollouts.analysis.expr.checker import check
from renderer.rollouts.analysis.expr.errors import ExpressionError, UnsupportedError
from renderer.rollouts.analysis.expr.interpreter import evaluate
from renderer.rollouts.analysis.expr.optimizer import optimize
from renderer.rollouts.analysis.expr.parser import parse, unsupported

__all__ = ["ExpressionError", "UnsupportedError", "check_types", "parse", "run", "unsupported"]


def check_types(text: str, environment: Mapping[str, Any]) -> None:
    """Raise the error that ``run`` raises before it evaluates anything."""
    tree = parse(text)
    check(tree, environment)
    optimize(tree)


def run(text: str, environment: Mapping[str, Any], now: datetime | None = None) -> Any:
    """Return the value of an expression, whose types are checked against those of ``environment``.

    ``now`` is the moment that ``now()`` gives.

    Raises ``ExpressionError`` with Go's message for an invalid expression or a failed evaluation, and
    ``UnsupportedError`` for what this implementation leaves out.
    """
    tree = parse(text)
    check(tree, environment)
    return evaluate(optimize(tree), environment, now)
