"""The parser of expressions (``parser/parser.go`` of expr-lang/expr)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from msgspec import Struct

from renderer.rollouts.analysis.expr import nodes
from renderer.rollouts.analysis.expr.errors import ExpressionError, UnsupportedError
from renderer.rollouts.analysis.expr.lexer import (
    BRACKET,
    EOF,
    IDENTIFIER,
    NEGATABLE,
    NUMBER,
    OPERATOR,
    STRING,
    Token,
    is_alphabetic,
    is_alphanumeric,
    token_reader,
)
from renderer.rollouts.analysis.expr.names import BUILTINS, PREDICATES, UNSUPPORTED
from renderer.rollouts.analysis.expr.nodes import Node

UNARY = {"not": 50, "!": 50, "-": 90, "+": 90}
BINARY = {
    "|": 0,
    **dict.fromkeys(("or", "||"), 10),
    **dict.fromkeys(("and", "&&"), 15),
    **dict.fromkeys(("==", "!=", "<", ">", ">=", "<=", "in", "matches", "contains", "startsWith", "endsWith"), 20),
    "..": 25,
    **dict.fromkeys(("+", "-"), 30),
    **dict.fromkeys(("*", "/", "%"), 60),
    **dict.fromkeys(("**", "^"), 100),
    "??": 500,
}
"""The precedence of each operator; all but ``**`` and ``^`` group from the left."""
COMPARISONS = ("<", ">", ">=", "<=")

MAX_NODES = 10_000
"""The most nodes of an expression, as in expr-lang/expr."""
MAX_DEPTH = 100
"""The deepest nesting of brackets and closures: Python's stack is smaller than Go's."""
MAX_HEIGHT = 200
"""The greatest height of the tree, for the same reason."""


def parse(text: str) -> Node:
    """Return the tree of an expression.

    Raises ``ExpressionError`` for a syntax error, and ``UnsupportedError`` for one that is nested too deeply.
    """
    return _Parser(token_reader(text)).parse()


def unsupported(text: str) -> tuple[str, ...]:
    """Return the names in an expression that expr-lang/expr knows and this implementation leaves out.

    Raises ``ExpressionError`` for a syntax error.
    """
    found = {node.name for node in nodes.walk(parse(text)) if isinstance(node, nodes.Builtin)}
    return tuple(sorted(found & UNSUPPORTED))


class _Parser(Struct):
    """The state: the tokens, the position of the current one, and the number of closures around it."""

    token: Callable[[int], Token]
    position: int = 0
    closures: int = 0
    nodes: int = 0
    depth: int = 0

    @property
    def current(self) -> Token:
        return self.token(self.position)

    def next(self) -> Token:
        token = self.current
        if token.kind == EOF:
            raise ExpressionError("unexpected end of expression")
        self.position += 1
        return token

    def fail(self, token: Token | None = None) -> ExpressionError:
        return ExpressionError(f"unexpected token {token or self.current}")

    def expect(self, kind: str, *values: str) -> Token:
        if not self.current.is_(kind, *values):
            raise self.fail()
        return self.next()

    def at(self, kind: str, *values: str) -> bool:
        return self.current.is_(kind, *values)

    def make(self, node: Node) -> Node:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise ExpressionError("compilation failed: expression exceeds maximum allowed nodes")
        node.height = 1 + max((child.height for child in nodes.children(node)), default=0)
        if node.height > MAX_HEIGHT:
            raise UnsupportedError(f"a chain of more than {MAX_HEIGHT} operators or members")
        return node

    def parse(self) -> Node:
        node = self.sequence()
        if not self.at(EOF):
            raise self.fail()
        return node

    def sequence(self) -> Node:
        found = [self.expression(0)]
        while self.at(OPERATOR, ";"):
            self.next()
            if self.at(EOF):
                break
            found.append(self.expression(0))
        return found[0] if len(found) == 1 else self.make(nodes.Sequence(nodes=found))

    def expression(self, precedence: int) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise UnsupportedError(f"an expression nested more than {MAX_DEPTH} levels deep")
        if precedence == 0 and self.at(OPERATOR, "let"):
            node = self.declaration()
        elif precedence == 0 and self.at(OPERATOR, "if"):
            node = self.if_else()
        else:
            node = self.operators(self.primary(), precedence)
            if precedence == 0:
                node = self.conditional(node)
        self.depth -= 1
        return node

    def operators(self, left: Node, precedence: int) -> Node:
        previous = ""
        while self.at(OPERATOR):
            negated = self.at(OPERATOR, "not")
            token = self.token(self.position + 1) if negated else self.current
            if negated and token.value not in NEGATABLE:
                raise self.fail(token)
            if BINARY.get(token.value, -1) < precedence:
                break
            self.position += 2 if negated else 1
            if token.value == "|":
                left = self.call(self.expect(IDENTIFIER), [left])
            elif previous == "??" and token.value != "??":
                raise ExpressionError(
                    f"Operator ({token.value}) and coalesce expressions (??) cannot be mixed."
                    " Wrap either by parentheses."
                )
            elif token.value in COMPARISONS:
                left = self.comparison(left, token.value)
            else:
                right = self.expression(BINARY[token.value] + (token.value not in ("**", "^")))
                left = self.make(nodes.Binary(operator=token.value, left=left, right=right))
                left = self.make(nodes.Unary(operator="not", operand=left)) if negated else left
            previous = token.value
        return left

    def comparison(self, left: Node, operator: str) -> Node:
        """Parse ``a < b``, and ``a < b < c`` as ``a < b && b < c``."""
        root: Node | None = None
        while True:
            right = self.expression(BINARY[operator] + 1)
            node = self.make(nodes.Binary(operator=operator, left=left, right=right))
            root = node if root is None else self.make(nodes.Binary(operator="&&", left=root, right=node))
            left = right
            if not self.at(OPERATOR, *COMPARISONS):
                return root
            operator = self.next().value

    def declaration(self) -> Node:
        self.next()
        name = self.expect(IDENTIFIER).value
        self.expect(OPERATOR, "=")
        value = self.expression(0)
        self.expect(OPERATOR, ";")
        return self.make(nodes.Declaration(name=name, value=value, body=self.sequence()))

    def if_else(self) -> Node:
        self.next()
        condition = self.expression(0)
        then = self.block()
        self.expect(OPERATOR, "else")
        if self.at(OPERATOR, "if"):
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise UnsupportedError(f"a chain of more than {MAX_DEPTH} conditions")
            otherwise = self.if_else()
            self.depth -= 1
        else:
            otherwise = self.block()
        return self.make(nodes.Conditional(condition=condition, then=then, otherwise=otherwise))

    def block(self) -> Node:
        self.expect(BRACKET, "{")
        node = self.sequence()
        self.expect(BRACKET, "}")
        return node

    def conditional(self, node: Node) -> Node:
        while self.at(OPERATOR, "?"):
            self.next()
            then = node
            if not self.at(OPERATOR, ":"):
                then = self.expression(0)
            self.expect(OPERATOR, ":")
            node = self.make(nodes.Conditional(condition=node, then=then, otherwise=self.expression(0)))
        return node

    def primary(self) -> Node:
        token = self.current
        if token.is_(OPERATOR, *UNARY):
            self.next()
            operand = self.expression(UNARY[token.value])
            return self.postfix(self.make(nodes.Unary(operator=token.value, operand=operand)))
        if token.is_(BRACKET, "("):
            self.next()
            node = self.sequence()
            self.expect(BRACKET, ")")
            return self.postfix(node)
        if self.closures and token.is_(OPERATOR, "#", "."):
            name = ""
            if token.value == "#":
                self.next()
                name = self.next().value if self.at(IDENTIFIER) else ""
            return self.postfix(self.make(nodes.Pointer(name=name)))
        if token.is_(OPERATOR, "::"):
            self.next()
            return self.postfix(self.call(self.expect(IDENTIFIER), []))
        return self.secondary(token)

    def secondary(self, token: Token) -> Node:
        if token.kind == NUMBER:
            self.next()
            return self.make(nodes.Literal(value=_number(token.value)))
        if token.kind == IDENTIFIER:
            self.next()
            if token.value in ("true", "false"):
                return self.make(nodes.Literal(value=token.value == "true"))
            if token.value == "nil":
                return self.make(nodes.Nil())
            if self.at(BRACKET, "("):
                return self.postfix(self.call(token, []))
            return self.postfix(self.make(nodes.Identifier(name=token.value)))
        if token.kind == STRING:
            self.next()
            return self.postfix(self.make(nodes.Literal(value=token.value)))
        if token.is_(BRACKET, "["):
            return self.postfix(self.array())
        if token.is_(BRACKET, "{"):
            return self.postfix(self.map())
        raise self.fail()

    def call(self, token: Token, arguments: list[Node]) -> Node:
        """Parse the arguments of a call; those given come from the left of a pipe."""
        if token.value in PREDICATES:
            arguments = self.predicate_arguments(token.value, arguments)
            return self.make(nodes.Builtin(name=token.value, arguments=arguments))
        if token.value in BUILTINS:
            return self.make(nodes.Builtin(name=token.value, arguments=self.arguments(arguments)))
        callee = self.make(nodes.Identifier(name=token.value))
        return self.make(nodes.Call(callee=callee, arguments=self.arguments(arguments)))

    def predicate_arguments(self, name: str, arguments: list[Node]) -> list[Node]:
        self.expect(BRACKET, "(")
        wanted = PREDICATES[name][len(arguments) :]
        for index, kind in enumerate(wanted):
            if self.at(BRACKET, ")"):
                if kind.endswith("?"):
                    break
                raise ExpressionError(f"expected at least {len(wanted)} arguments")
            if index:
                self.expect(OPERATOR, ",")
            arguments = [*arguments, self.predicate() if kind.startswith("predicate") else self.expression(0)]
        if self.at(OPERATOR, ","):
            self.next()
        self.expect(BRACKET, ")")
        return arguments

    def predicate(self) -> Node:
        in_braces = self.at(BRACKET, "{")
        self.closures += 1
        if in_braces:
            self.next()
            node = self.sequence()
        else:
            node = self.expression(0)
            if self.at(OPERATOR, ";"):
                raise ExpressionError("wrap predicate with brackets { and }")
        self.closures -= 1
        if in_braces:
            self.expect(BRACKET, "}")
        return self.make(nodes.Predicate(node=node))

    def arguments(self, given: list[Node]) -> list[Node]:
        self.expect(BRACKET, "(")
        return given + self.items(")")

    def items(self, close: str) -> list[Node]:
        """Parse expressions up to a closing bracket, with a comma between them and perhaps after the last."""
        found: list[Node] = []
        while not self.at(BRACKET, close):
            if found:
                self.expect(OPERATOR, ",")
                if self.at(BRACKET, close):
                    break
            found.append(self.expression(0))
        self.expect(BRACKET, close)
        return found

    def array(self) -> Node:
        self.next()
        return self.make(nodes.Array(nodes=self.items("]")))

    def map(self) -> Node:
        self.next()
        pairs: list[tuple[Node, Node]] = []
        while not self.at(BRACKET, "}"):
            if pairs:
                self.expect(OPERATOR, ",")
                if self.at(BRACKET, "}"):
                    break
            pairs.append(self.pair())
        self.expect(BRACKET, "}")
        return self.make(nodes.Map(pairs=pairs))

    def pair(self) -> tuple[Node, Node]:
        if self.current.kind in (NUMBER, STRING, IDENTIFIER):
            key = self.make(nodes.Literal(value=self.next().value))
        elif self.at(BRACKET, "("):
            key = self.expression(0)
        else:
            raise ExpressionError(
                "a map key must be a quoted string, a number, a identifier, or an expression enclosed in parentheses"
                f" (unexpected token {self.current})"
            )
        self.expect(OPERATOR, ":")
        self.nodes += 1
        return key, self.expression(0)

    def postfix(self, node: Node) -> Node:
        while self.at(OPERATOR, ".", "?.") or self.at(BRACKET, "["):
            optional = self.at(OPERATOR, "?.")
            if optional and self.token(self.position + 1).is_(BRACKET, "["):
                self.next()
            node = self.index(node, optional=optional) if self.at(BRACKET, "[") else self.member(node)
        return node

    def member(self, node: Node) -> Node:
        optional = self.next().value == "?."
        token = self.next()
        if token.kind != IDENTIFIER and not (token.kind == OPERATOR and _is_identifier(token.value)):
            raise ExpressionError("expected name")
        is_chain = isinstance(node, nodes.Chain)
        if isinstance(node, nodes.Chain):
            node = node.node
        property_ = self.make(nodes.Literal(value=token.value))
        member = nodes.Member(node=node, property=property_, optional=optional)
        self.make(member)
        node = member
        if self.at(BRACKET, "("):
            member.method = True
            node = self.make(nodes.Call(callee=member, arguments=self.arguments([])))
        return self.make(nodes.Chain(node=node)) if is_chain or optional else node

    def index(self, node: Node, *, optional: bool) -> Node:
        self.next()
        start: Node | None = None
        if not self.at(OPERATOR, ":"):
            start = self.expression(0)
            if not self.at(OPERATOR, ":"):
                member = self.make(nodes.Member(node=node, property=start, optional=optional))
                self.expect(BRACKET, "]")
                return self.make(nodes.Chain(node=member)) if optional else member
        self.next()
        stop = None if self.at(BRACKET, "]") else self.expression(0)
        sliced = self.make(nodes.Slice(node=node, start=start, stop=stop))
        self.expect(BRACKET, "]")
        return sliced


def _is_identifier(text: str) -> bool:
    return is_alphabetic(text[:1]) and all(map(is_alphanumeric, text))


def _number(text: str) -> int | float:
    """Return the value of a number; raise ``ExpressionError`` where ``strconv`` does."""
    digits = text.replace("_", "").lower()
    for prefix, base, name in (("0x", 16, "hex"), ("0b", 2, "binary"), ("0o", 8, "octal")):
        if digits.startswith(prefix) and (base == 16 or not re.search(r"[.e]", digits)):
            return _integer(digits, digits[2:], base, name)
    if not re.search(r"[.e]", digits):
        return _integer(digits, digits, 10, "integer")
    if not re.fullmatch(r"(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", digits):
        raise ExpressionError(f'invalid float literal: strconv.ParseFloat: parsing "{digits}": invalid syntax')
    value = float(digits)
    if math.isinf(value):
        raise ExpressionError(f'invalid float literal: strconv.ParseFloat: parsing "{digits}": value out of range')
    return value


def _integer(text: str, digits: str, base: int, name: str) -> int:
    reason = "invalid syntax"
    try:
        value = int(digits, base)
        if value < 2**63:
            return value
        reason = "value out of range"
    except ValueError:
        pass
    raise ExpressionError(f'invalid {name} literal: strconv.ParseInt: parsing "{text}": {reason}')
