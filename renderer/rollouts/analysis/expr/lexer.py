"""Tokens of an expression (``parser/lexer`` of expr-lang/expr)."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from renderer.rollouts.analysis.expr.errors import ExpressionError
from renderer.rollouts.analysis.expr.values import decode
from renderer.rollouts.analysis.go_quote import quote

IDENTIFIER, NUMBER, STRING, OPERATOR, BRACKET, EOF = "Identifier", "Number", "String", "Operator", "Bracket", "EOF"

WORDS = {"in", "or", "and", "matches", "contains", "startsWith", "endsWith", "let", "if", "else"}
"""The operators that are words."""
NEGATABLE = ("in", "matches", "contains", "startsWith", "endsWith")
_ESCAPES = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34, "`": 96, "?": 63}
_HEX = "0123456789abcdefABCDEF"


class Token(Struct, frozen=True):
    """A token."""

    kind: str
    value: str = ""

    def __str__(self) -> str:
        return f"{self.kind}({quote(self.value)})" if self.value else self.kind

    def is_(self, kind: str, *values: str) -> bool:
        """Return whether the token is of a kind and has one of the values, if any are given."""
        return self.kind == kind and (not values or self.value in values)


def is_alphabetic(char: str) -> bool:
    """Return whether an identifier may begin with a character; false for the end of the text."""
    return char != "" and (char in "_$" or char.isalpha())


def is_alphanumeric(char: str) -> bool:
    """Return whether an identifier may contain a character."""
    return is_alphabetic(char) or char.isdecimal()


def token_reader(text: str) -> Callable[[int], Token]:
    """Return a function from an index to its token, of which the last is ``EOF``.

    Tokens are read as they are asked for: the function raises ``ExpressionError`` when it reaches an invalid one.
    """
    return _Lexer(text).token


class _Lexer:
    """The state: ``start`` and ``end`` of the token that is read."""

    def __init__(self, text: str) -> None:
        self.text, self.start, self.end = text, 0, 0
        self.found: list[Token] = []

    def token(self, index: int) -> Token:
        while len(self.found) <= index and self.step():
            pass
        return self.found[min(index, len(self.found) - 1)]

    def next(self) -> str:
        char = self.text[self.end : self.end + 1]
        self.end += len(char)
        return char

    def peek(self) -> str:
        return self.text[self.end : self.end + 1]

    def accept(self, valid: str) -> bool:
        char = self.peek()
        if char and char in valid:
            self.end += 1
            return True
        return False

    def accept_run(self, valid: str) -> None:
        while self.accept(valid):
            pass

    def accept_word(self) -> str:
        while is_alphanumeric(self.peek()):
            self.end += 1
        return self.word()

    def word(self) -> str:
        return self.text[self.start : self.end]

    def emit(self, kind: str, value: str | None = None) -> None:
        self.found.append(Token(kind, self.word() if value is None else value))
        self.start = self.end

    def step(self) -> bool:
        """Read one token; return false at the end of the text."""
        char = self.next()
        if not char:
            self.emit(EOF, "")
            return False
        if char.isspace() and not "\x1c" <= char <= "\x1f":
            self.start = self.end
        elif char in "'\"":
            self.string(char)
        elif char == "`":
            self.raw_string()
        elif "0" <= char <= "9":
            self.number()
        elif char == "/" and self.peek() in ("/", "*") and self.peek():
            self.comment(self.next())
        elif char == "#":
            self.pointer()
        elif char == ".":
            self.dot()
        elif char in "([{)]}":
            self.emit(BRACKET)
        elif is_alphanumeric(char):
            self.identifier()
        else:
            self.operator(char)
        return True

    def operator(self, char: str) -> None:
        following = {"?": ".?", "|": "|", ":": ":", "/": ""}
        if char in following:
            self.accept(following[char])
        elif char in "&!=*<>":
            self.accept("&=*")
        elif char not in ",;%+-^":
            shown = f" '{char}'" if char.isprintable() else ""
            raise ExpressionError(f"unrecognized character: U+{ord(char):04X}{shown}")
        self.emit(OPERATOR)

    def number(self) -> None:
        self.end = self.start
        digits = "0123456789_"
        if self.accept("0"):
            for prefix, valid in (("xX", _HEX + "_"), ("oO", "01234567_"), ("bB", "01_")):
                if self.accept(prefix):
                    digits = valid
                    break
        self.accept_run(digits)
        end = self.end
        if self.accept("."):
            if self.peek() == ".":  # the operator of a range
                self.end = end
                self.emit(NUMBER)
                return
            self.accept_run(digits)
        if self.accept("eE"):
            self.accept("+-")
            self.accept_run(digits)
        if is_alphanumeric(self.peek()):
            self.end += 1
            raise ExpressionError(f"bad number syntax: {quote(self.word())}")
        self.emit(NUMBER)

    def dot(self) -> None:
        if self.peek() and self.peek() in "0123456789":
            self.number()
            return
        self.accept(".")
        self.emit(OPERATOR)

    def identifier(self) -> None:
        word = self.accept_word()
        if word != "not":
            self.emit(OPERATOR if word in WORDS else IDENTIFIER)
            return
        self.emit(OPERATOR)
        self.accept_run(" ")
        self.start = end = self.end
        if self.accept_word() in NEGATABLE:
            self.emit(OPERATOR)
        else:
            self.end = end

    def comment(self, kind: str) -> None:
        close = "\n" if kind == "/" else "*/"
        position = self.text.find(close, self.end)
        if position < 0 and kind == "*":
            raise ExpressionError("unclosed comment")
        self.start = self.end = len(self.text) if position < 0 else position + len(close)

    def pointer(self) -> None:
        self.accept("#")
        self.emit(OPERATOR)
        if self.accept_word():
            self.emit(IDENTIFIER)

    def raw_string(self) -> None:
        parts = []
        while True:
            position = self.text.find("`", self.end)
            if position < 0:
                raise ExpressionError("literal not terminated")
            parts.append(self.text[self.end : position])
            self.end = position + 1
            if self.peek() != "`":
                break
            parts.append(self.next())
        self.emit(STRING, "".join(parts))

    def string(self, mark: str) -> None:
        while (char := self.next()) != mark:
            if char in ("", "\n"):
                raise ExpressionError("literal not terminated")
            if char == "\\":
                self.escape(mark)
        self.emit(STRING, unescape(self.word()))

    def escape(self, mark: str) -> None:
        char = self.next()
        if char and char in "abfnrtv\\" + mark:
            return
        if char and char in "01234567":
            self.digits("01234567", 2)
        elif char == "u" and self.accept("{"):
            start = self.end
            while self.peek() and self.peek() in _HEX and self.end - start < 6:
                self.end += 1
            if self.end == start or not self.accept("}"):
                raise ExpressionError("invalid char escape")
        elif char in ("x", "u", "U"):
            self.digits(_HEX, {"x": 2, "u": 4, "U": 8}[char])
        else:
            raise ExpressionError("invalid char escape")

    def digits(self, valid: str, count: int) -> None:
        for _ in range(count):
            if not self.accept(valid):
                raise ExpressionError("invalid char escape")


def unescape(quoted: str) -> str:
    """Return a quoted text without its quotes and escapes; raise ``ExpressionError`` for an unknown escape."""
    text = quoted.replace("\r\n", "\n").replace("\r", "\n")[1:-1]
    parts: list[bytes] = []
    index = 0
    while index < len(text):
        if text[index] != "\\":
            parts.append(text[index].encode("utf-8", "surrogateescape"))
            index += 1
            continue
        char = text[index + 1]
        index += 2
        if char in _ESCAPES:
            code = _ESCAPES[char]
        elif char in "0123":
            code, index = int(char + text[index : index + 2], 8), index + 2
        elif char in "xuU":
            if text[index] == "{":
                close = text.index("}", index)
                code, index = int(text[index + 1 : close], 16), close + 1
            else:
                size = {"x": 2, "u": 4, "U": 8}[char]
                code, index = int(text[index : index + size], 16), index + size
        else:
            raise ExpressionError("unable to unescape string")
        if code > 0x10FFFF:
            raise ExpressionError("unable to unescape string")
        # Go encodes half a surrogate pair as the replacement character.
        parts.append(("\ufffd" if 0xD800 <= code <= 0xDFFF else chr(code)).encode())
    return decode(b"".join(parts))
