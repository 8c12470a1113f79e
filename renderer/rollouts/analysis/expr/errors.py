"""The errors of expressions."""

from __future__ import annotations


class ExpressionError(Exception):
    """An expression that is invalid or whose evaluation fails, with the message of expr-lang/expr."""


class UnsupportedError(ExpressionError):
    """An expression that expr-lang/expr may accept but that is outside of this implementation, by name."""
