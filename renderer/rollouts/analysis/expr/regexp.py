"""Regular expressions of Go (RE2), matched in a time that is linear in the text.

Python's ``re`` has another syntax, and a time that is exponential for some patterns.  A pattern becomes a program of
instructions, whose threads run side by side over the text (``regexp/syntax`` and ``regexp`` of Go).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from msgspec import Struct

from renderer.rollouts.analysis.expr.errors import ExpressionError, UnsupportedError

Ranges = tuple[tuple[int, int], ...]
"""The first and last code points of a class."""

_MOST = 0x10FFFF
_DIGIT: Ranges = ((48, 57),)
_SPACE: Ranges = ((9, 10), (12, 13), (32, 32))
_WORD: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
_PERL = {"d": _DIGIT, "s": _SPACE, "w": _WORD}
_POSIX: dict[str, Ranges] = {
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "alpha": ((65, 90), (97, 122)),
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": _DIGIT,
    "graph": ((33, 126),),
    "lower": ((97, 122),),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": _WORD,
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}
_CONTROL = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}

MAX_REPEAT = 1000
"""The greatest number of a repetition, as in Go."""
MAX_PROGRAM = 10_000
MAX_THREADS = 5_000_000
"""The most instructions of a pattern, and the most that a match visits."""


class Instruction(Struct):
    """An instruction: ``class`` (one character), ``split`` (two ways), ``assert`` (a place), ``match``."""

    kind: str
    ranges: Ranges = ()
    fold: bool = False
    place: str = ""
    first: int = -1
    second: int = -1


class Pattern:
    """A compiled pattern."""

    def __init__(self, program: list[Instruction], start: int) -> None:
        self.program, self.start = program, start

    def search(self, text: str) -> bool:
        """Return whether the pattern matches anywhere in the text.

        Raises ``UnsupportedError`` for a match that takes too long.
        """
        current: set[int] = set()
        visited = 0
        for index in range(len(text) + 1):
            # A match may begin at each position.
            threads = self._follow({*current, self.start}, text, index)
            visited += len(threads)
            if visited > MAX_THREADS:
                raise UnsupportedError("a regular expression that takes too long on this text")
            if any(self.program[thread].kind == "match" for thread in threads):
                return True
            if index == len(text):
                return False
            code = ord(text[index])
            folded = {ord(char) for char in (text[index].lower(), text[index].upper()) if len(char) == 1}
            current = set()
            for thread in threads:
                found = self.program[thread]
                if found.kind == "class" and any(
                    low <= value <= high
                    for value in ({code, *folded} if found.fold else (code,))
                    for low, high in found.ranges
                ):
                    current.add(found.first)
        return False

    def _follow(self, threads: set[int], text: str, index: int) -> set[int]:
        """Return all instructions that are reached without a character."""
        seen: set[int] = set()
        pending = list(threads)
        while pending:
            thread = pending.pop()
            if thread in seen:
                continue
            seen.add(thread)
            found = self.program[thread]
            if found.kind == "split":
                pending += (found.first, found.second)
            elif found.kind == "assert" and _holds(found.place, text, index):
                pending.append(found.first)
        return seen


def _holds(place: str, text: str, index: int) -> bool:
    if place == "begin text":
        return index == 0
    if place == "end text":
        return index == len(text)
    if place == "begin line":
        return index == 0 or text[index - 1] == "\n"
    if place == "end line":
        return index == len(text) or text[index] == "\n"
    boundary = _is_word(text[index - 1 : index] if index else "") != _is_word(text[index : index + 1])
    return boundary == (place == "boundary")


def _is_word(char: str) -> bool:
    return char != "" and any(low <= ord(char) <= high for low, high in _WORD)


@lru_cache(maxsize=64)
def compile_pattern(text: str) -> Pattern:
    """Return a compiled pattern; raise ``ExpressionError`` with Go's message for an invalid one."""
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise _error("invalid UTF-8", text)
    tree = _Parser(text).parse()
    program: list[Instruction] = []
    return Pattern(program, _emit(program, tree, _add(program, Instruction("match"))))


def _error(reason: str, where: str) -> ExpressionError:
    return ExpressionError(f"error parsing regexp: {reason}: `{where}`")


class Tree(Struct, frozen=True):
    """A pattern: a ``class`` or ``assert``, or a ``sequence``, ``choice`` or ``repeat`` of ``parts``."""

    kind: str
    parts: tuple[Tree, ...] = ()
    ranges: Ranges = ()
    fold: bool = False
    place: str = ""
    least: int = 0
    most: int = -1


def _add(program: list[Instruction], instruction: Instruction) -> int:
    if len(program) >= MAX_PROGRAM:
        raise UnsupportedError("a regular expression as large as this one")
    program.append(instruction)
    return len(program) - 1


def _emit(program: list[Instruction], tree: Tree, following: int) -> int:
    """Add a pattern that goes on at ``following``, and return where it begins."""
    if tree.kind == "class":
        return _add(program, Instruction("class", tree.ranges, tree.fold, first=following))
    if tree.kind == "assert":
        return _add(program, Instruction("assert", place=tree.place, first=following))
    if tree.kind == "sequence":
        for part in reversed(tree.parts):
            following = _emit(program, part, following)
        return following
    if tree.kind == "choice":
        start = _emit(program, tree.parts[-1], following)
        for part in tree.parts[-2::-1]:
            start = _add(program, Instruction("split", first=_emit(program, part, following), second=start))
        return start
    (part,) = tree.parts
    start = following
    if tree.most < 0:
        start = loop = _add(program, Instruction("split", second=following))
        program[loop].first = _emit(program, part, loop)
    for _ in range(tree.most - tree.least):
        start = _add(program, Instruction("split", first=_emit(program, part, start), second=following))
    for _ in range(tree.least):
        start = _emit(program, part, start)
    return start


def _negated(ranges: Ranges) -> Ranges:
    found, following = [], 0
    for low, high in sorted(ranges):
        if low > following:
            found.append((following, low - 1))
        following = max(following, high + 1)
    return (*found, (following, _MOST)) if following <= _MOST else tuple(found)


class _Parser:
    """The parser: the position in the text, and the flags ``i``, ``m``, ``s`` and ``U``."""

    def __init__(self, text: str) -> None:
        self.text, self.position, self.flags = text, 0, frozenset[str]()
        self.depth = 0

    def peek(self, size: int = 1) -> str:
        return self.text[self.position : self.position + size]

    def take(self, prefix: str) -> bool:
        if self.text.startswith(prefix, self.position):
            self.position += len(prefix)
            return True
        return False

    def parse(self) -> Tree:
        tree = self.choice()
        if self.position < len(self.text):
            raise _error("unexpected )", self.text)
        return tree

    def choice(self) -> Tree:
        flags = self.flags
        parts = [self.sequence()]
        while self.take("|"):
            parts.append(self.sequence())
        self.flags = flags
        return parts[0] if len(parts) == 1 else Tree("choice", tuple(parts))

    def sequence(self) -> Tree:
        parts: list[Tree] = []
        repeated = -1
        while self.position < len(self.text) and self.peek() not in ("|", ")"):
            start = self.position
            bounds = self.repetition()
            if bounds is None:
                parts += self.atoms()
                repeated = -1
                continue
            if repeated >= 0:
                raise _error("invalid nested repetition operator", self.text[repeated : self.position])
            if not parts:
                raise _error("missing argument to repetition operator", self.text[start : self.position])
            self.take("?")
            parts[-1] = Tree("repeat", (parts[-1],), least=bounds[0], most=bounds[1])
            if _repeats(parts[-1]) > MAX_REPEAT:
                raise _error("invalid repeat count", self.text[start : self.position])
            repeated = start
        return parts[0] if len(parts) == 1 else Tree("sequence", tuple(parts))

    def repetition(self) -> tuple[int, int] | None:
        """Return the bounds of ``*``, ``+``, ``?``, ``{2,3}``; None where none of these stands."""
        for sign, bounds in (("*", (0, -1)), ("+", (1, -1)), ("?", (0, 1))):
            if self.take(sign):
                return bounds
        if self.peek() != "{":
            return None
        close = self.text.find("}", self.position)
        least, comma, most = self.text[self.position + 1 : max(close, 0)].partition(",")
        if not _is_count(least) or not (not most or _is_count(most)):
            return None
        start, self.position = self.position, close + 1
        bounds = int(least), int(most) if most else -1 if comma else int(least)
        if max(bounds) > MAX_REPEAT or 0 <= bounds[1] < bounds[0]:
            raise _error("invalid repeat count", self.text[start : self.position])
        return bounds

    def atoms(self) -> list[Tree]:
        """Parse what a repetition may follow: mostly one, none for flags, several for a quotation."""
        char = self.peek()
        if char == "(":
            return self.group()
        if char == "[":
            return [self.char_class()]
        if char == "\\":
            return self.escape()
        self.position += 1
        if char == ".":
            return [self.node(((0, _MOST),) if "s" in self.flags else ((0, 9), (11, _MOST)))]
        if char in "^$":
            lines = "line" if "m" in self.flags else "text"
            return [Tree("assert", place=f"{'begin' if char == '^' else 'end'} {lines}")]
        return [self.literal(ord(char))]

    def node(self, ranges: Ranges) -> Tree:
        return Tree("class", ranges=ranges, fold="i" in self.flags)

    def literal(self, code: int) -> Tree:
        return self.node(((code, code),))

    def group(self) -> list[Tree]:
        start = self.position
        self.position += 1
        flags = self.flags
        if self.take("?") and not self.named() and not self.group_flags(start):
            return []
        self.depth += 1
        if self.depth > 50:
            raise UnsupportedError("a regular expression nested as deeply as this one")
        tree = self.choice()
        self.depth -= 1
        if not self.take(")"):
            raise _error("missing closing )", self.text)
        self.flags = flags
        return [tree]

    def named(self) -> bool:
        """Parse the name of a group."""
        rest = self.text[self.position - 2 :]
        prefix = next((prefix for prefix in ("P<", "<") if self.text.startswith(prefix, self.position)), "")
        if not prefix:
            return False
        close = self.text.find(">", self.position)
        if close < 0:
            raise _error("invalid named capture", rest)
        name = self.text[self.position + len(prefix) : close]
        self.position = close + 1
        if not name or not all(_is_word(char) for char in name):
            raise _error("invalid named capture", rest[: rest.index(">") + 1])
        return True

    def group_flags(self, start: int) -> bool:
        """Parse ``i``, ``m-s:`` …; return false where they are for what follows, without a group."""
        flags, sign, seen = self.flags, True, False
        while self.position < len(self.text):
            char = self.peek()
            self.position += 1
            if char in "imsU":
                flags = flags | {char} if sign else flags - {char}
                seen = True
            elif char == "-" and sign:
                sign, seen = False, False
            elif char in ":)" and (sign or seen):
                self.flags = flags
                return char == ":"
            else:
                break
        raise _error("invalid or unsupported Perl syntax", self.text[start : self.position])

    def escape(self) -> list[Tree]:
        if self.take("\\Q"):
            close = self.text.find("\\E", self.position)
            quoted = self.text[self.position : close if close >= 0 else len(self.text)]
            self.position = close + 2 if close >= 0 else len(self.text)
            return [self.literal(ord(char)) for char in quoted]
        for text, place in (("\\A", "begin text"), ("\\z", "end text"), ("\\b", "boundary"), ("\\B", "no boundary")):
            if self.take(text):
                return [Tree("assert", place=place)]
        ranges = self.perl_class()
        return [self.node(ranges) if ranges is not None else self.literal(self.escaped())]

    def perl_class(self) -> Ranges | None:
        name = self.peek(2)[1:]
        if self.peek() != "\\" or not name:
            return None
        if name in "pP":
            raise UnsupportedError("a Unicode class (\\p) in a regular expression")
        if name.lower() not in _PERL:
            return None
        self.position += 2
        return _PERL[name] if name in _PERL else _negated(_PERL[name.lower()])

    def escaped(self) -> int:
        """Parse an escape that stands for one character."""
        start = self.position
        char = self.peek(2)[1:]
        self.position += 2
        if not char:
            raise _error("trailing backslash at end of expression", "")
        if char in _CONTROL:
            return _CONTROL[char]
        if char == "x":
            return self.hexadecimal(start)
        if char in "01234567" and (char == "0" or (self.peek() and self.peek() in "01234567")):
            digits = char
            while len(digits) < 3 and self.peek() and self.peek() in "01234567":
                digits += self.peek()
                self.position += 1
            return int(digits, 8)
        if char.isascii() and not char.isalnum():
            return ord(char)
        raise _error("invalid escape sequence", self.text[start : self.position])

    def hexadecimal(self, start: int) -> int:
        digits = self.peek(2)
        if self.take("{"):
            close = self.text.find("}", self.position)
            digits = self.text[self.position : max(close, 0)]
            self.position = close + 1
        else:
            self.position += 2
            digits = digits if len(digits) == 2 else ""
        if digits and all(digit in "0123456789abcdefABCDEF" for digit in digits) and int(digits, 16) <= _MOST:
            return int(digits, 16)
        raise _error("invalid escape sequence", self.text[start : self.position])

    def char_class(self) -> Tree:
        start = self.position
        self.position += 1
        negated = self.take("^")
        ranges: Ranges = ()
        first = True
        while first or self.peek() != "]":
            first = False
            if not self.peek():
                raise _error("missing closing ]", self.text[start:])
            found = self.posix_class() or self.perl_class()
            ranges += found if found is not None else (self.class_range(start),)
        self.position += 1
        if negated and "i" in self.flags:
            # The character's other case must not match either.
            both = {f(chr(code)) for low, high in ranges for code in range(low, min(high, 0x24F) + 1) for f in _CASES}
            ranges += tuple((ord(char), ord(char)) for char in both if len(char) == 1)
            return Tree("class", ranges=_negated(ranges))
        return self.node(_negated(ranges) if negated else ranges)

    def posix_class(self) -> Ranges | None:
        close = self.text.find(":]", self.position + 2)
        if self.peek(2) != "[:" or close < 0:
            return None
        text = self.text[self.position : close + 2]
        name = text[2:-2].removeprefix("^")
        if name not in _POSIX:
            raise _error("invalid character class range", text)
        self.position = close + 2
        return _negated(_POSIX[name]) if text.startswith("[:^") else _POSIX[name]

    def class_range(self, start: int) -> tuple[int, int]:
        begin = self.position
        low = high = self.class_char(start)
        if self.peek() == "-" and self.peek(2) not in ("-", "-]"):
            self.position += 1
            high = self.class_char(start)
            if high < low:
                raise _error("invalid character class range", self.text[begin : self.position])
        return low, high

    def class_char(self, start: int) -> int:
        if not self.peek():
            raise _error("missing closing ]", self.text[start:])
        if self.peek() == "\\":
            return self.escaped()
        self.position += 1
        return ord(self.text[self.position - 1])


_CASES: tuple[Any, ...] = (str.lower, str.upper)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and (text == "0" or not text.startswith("0"))


def _repeats(tree: Tree) -> int:
    """Return how often a pattern's innermost part is there by counted repetitions."""
    inner = max(map(_repeats, tree.parts), default=1)
    return inner * max(tree.most, tree.least, 1) if tree.kind == "repeat" else inner
