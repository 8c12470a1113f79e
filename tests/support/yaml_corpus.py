"""YAML texts on which readers disagree: 10,000 scalars, documents and broken documents, the same in every run.

Only ``Random.random`` is used: its numbers are the same in every version of Python.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from random import Random

SIZE = 10_000
WORDS = (
    *("y", "yes", "true", "on", "n", "no", "false", "off"),
    *("null", "~", "nan", "inf", "=", "<<", "-", "?", ":", "none", "void"),
)
TAGS = (
    *("!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!!binary", "!!map", "!!seq", "!!set", "!!merge"),
    *("!", "!foo", "!e!x", "!<tag:yaml.org,2002:int>", "!<tag:yaml.org,2002:str>", "!<!mine>"),
)
PLACES = (
    "a: {}",
    "a: {}\n",
    "{}: a",
    "- {}",
    "[{}]",
    "[{}, 1]",
    "{{a: {}}}",
    "{{{}: a}}",
    "{}",
    "--- {}",
    "---\n{}\n...\n",
    "a: {} # comment",
    "a: &x {}\nb: *x",
    "? {}\n: a",
    "a:\n  {}\n",
    "a:   {}   \nb: 1",
    "a: {}\r\nb: 1\r\n",
    "a: '{}'",
    'a: "{}"',
    "a: |\n  {}\n",
    "a: >-\n  {}\n  b\n",
    "? {}",
    "a: {}\n  b",
    "metadata:\n  annotations:\n    {}: {}",
)
ODD = "\t", " ", "\n", "\r", "\r\n", "#", " #", ":", ": ", "-", "- ", "'", '"', "{", "}", "[", "]", ",", "&a", "*a"
ODDER = (
    "!",
    "%",
    "@",
    "`",
    "|",
    ">",
    "?",
    "? ",
    "\\",
    "\ufeff",
    "\u2028",
    "\x85",
    "\x7f",
    "é",
    "😀",
    "\n---\n",
    "\n...\n",
)


class Dice:
    """Random choices."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def below(self, size: int) -> int:
        return int(self._random.random() * size)

    def one(self, choices: Sequence[str]) -> str:
        return choices[self.below(len(choices))]

    def some(self, alphabet: str, least: int, most: int) -> str:
        return "".join(self.one(alphabet) for _ in range(least + self.below(most - least + 1)))

    def often(self, percent: int) -> bool:
        return self.below(100) < percent


def texts(size: int = SIZE) -> Iterator[str]:
    """Yield the corpus: half of it scalars, a third documents, the rest broken documents."""
    dice = Dice(20260301)
    seen: set[str] = set()
    while len(seen) < size:
        kind = dice.below(6)
        text = scalar_somewhere(dice) if kind < 3 else stream(dice) if kind < 5 else broken(dice, stream(dice))
        if text not in seen:
            seen.add(text)
            yield text


def scalar_somewhere(dice: Dice) -> str:
    """Return a text with a scalar in one of the positions that YAML allows."""
    value = scalar(dice)
    if dice.often(12):
        value = f"{dice.one(TAGS)} {value}"
    place = PLACES[dice.below(len(PLACES))]
    return place.format(*(value for _ in range(2)))


def scalar(dice: Dice) -> str:
    """Return a plain scalar that a reader may not take for text."""
    makers = (integer, decimal, word, moment, sexagesimal, jumble, huge, base)
    return makers[dice.below(len(makers))](dice)


def sign(dice: Dice) -> str:
    return dice.one(("", "", "", "-", "+"))


def integer(dice: Dice) -> str:
    return sign(dice) + dice.some("0123456789" + "_" * dice.below(3), 1, 6)


def base(dice: Dice) -> str:
    prefix, digits = (("0x", "0123456789abcDEF"), ("0o", "01234567"), ("0b", "01"), ("0", "0123456789"))[dice.below(4)]
    if dice.often(15):
        prefix = prefix.upper()
    return sign(dice) + prefix + dice.some(digits + "_" * dice.below(2), dice.below(2), 18)


def decimal(dice: Dice) -> str:
    whole, part = dice.some("0123456789_", 0, 4), dice.some("0123456789_", 0, 5)
    exponent = dice.one(("", "", "e", "E")) + dice.one(("", "+", "-")) + dice.some("0123456789", 0, 2)
    return sign(dice) + whole + dice.one((".", ".", "")) + part + (exponent if dice.often(50) else "")


def huge(dice: Dice) -> str:
    """Return a number near the limits of 64 bits and of floats."""
    bound = (2**31, 2**32, 2**53, 2**63, 2**64, 10**20, 10**21, 10**22)[dice.below(8)] + dice.below(5) - 2
    shapes = str(bound), f"{bound}.0", f"{bound:.17e}", f"0x{bound:x}", f"0o{bound:o}", f"0b{bound:b}", f"{bound}e3"
    small = f"{dice.below(10**6)}e-{dice.below(400)}", f"{dice.below(10**6)}e+{dice.below(400)}"
    return sign(dice) + dice.one((*shapes, *small))


def word(dice: Dice) -> str:
    text = dice.one(("inf", "nan", *WORDS) if dice.often(80) else ("inf", "nan"))
    text = (text, text.upper(), text.capitalize(), text.swapcase(), text + dice.one("xse1."))[dice.below(5)]
    return dice.one(("", "", "", ".", ".", "-", "+", "-.", "+.")) + text


def moment(dice: Dice) -> str:
    """Return a timestamp of any version of YAML, or an invalid one."""
    day = f"{dice.below(3000):04}-{dice.below(15):0{1 + dice.below(2)}}-{dice.below(34):0{1 + dice.below(2)}}"
    clock = f"{dice.below(26)}:{dice.below(62):0{1 + dice.below(2)}}:{dice.below(62):02}"
    fraction = dice.one(("", "", ".5", ".123456789", ".1234567890", "."))
    zone = dice.one(("", "Z", " Z", "z", "+01:00", "-5", " -05:00", "+0100"))
    return day + dice.one(("", "T", "t", " ", "  ")) + (clock + fraction + zone if dice.often(75) else "")


def sexagesimal(dice: Dice) -> str:
    parts = [str(dice.below(70)) for _ in range(2 + dice.below(2))]
    return sign(dice) + ":".join(parts) + dice.one(("", "", ".5", "0", "_0"))


def jumble(dice: Dice) -> str:
    text = dice.some("0123456789+-._eExXobnyYtT~:=", 1, 7)
    return text + dice.one(("", "", "", " ", " x", " #x", ": ", "%", "$", "é"))


def stream(dice: Dice) -> str:
    """Return one or several documents with markers, comments and various line ends."""
    documents = [document(dice) for _ in range(1 + (dice.below(3) if dice.often(25) else 0))]
    text = dice.one(("---\n", "---\n", "---\n# c\n", "--- # c\n", "...\n---\n", "---\n---\n")).join(documents)
    if dice.often(20):
        text = (
            dice.one(("---\n", "%YAML 1.1\n---\n", "%YAML 1.2\n---\n", "# c\n---\n", "\n\n", "%TAG !e! x:\n---\n"))
            + text
        )
    if dice.often(10):
        text += dice.one(("...\n", "---\n", "# end", "   \n", "\n...\n# c\n"))
    if dice.often(8):
        text = text.replace("\n", "\r\n")
    if dice.often(5):
        text = "\ufeff" + text
    return text.rstrip("\r\n") if dice.often(10) else text


def document(dice: Dice) -> str:
    """Return one document in block style, mostly a mapping, with anchors for its later fields."""
    anchors: list[str] = []
    lines = list(block(dice, 0, 3, anchors))
    return "".join(f"{line}\n" for line in lines)


def block(dice: Dice, indent: int, levels: int, anchors: list[str]) -> Iterator[str]:
    """Yield the lines of a mapping or a list."""
    space = " " * indent
    listed = dice.often(25)
    names = [f"k{dice.below(9)}" if dice.often(90) else scalar(dice) for _ in range(1 + dice.below(4))]
    if dice.often(15):
        names.append(dice.one(names))
    for name in names:
        if dice.often(10):
            yield dice.one((f"{space}# comment", "# comment", "", space + "  # comment", "\t", "   "))
        head = space + ("-" if listed else f"{name}:")
        if not listed and anchors and dice.often(15):
            both = f"[*{dice.one(anchors)}, *{dice.one(anchors)}]"
            yield f"{space}<<: " + (both if dice.often(30) else f"*{dice.one(anchors)}")
        tie = ""
        if dice.often(15):
            anchors.append(f"n{len(anchors)}")
            tie = f" &{anchors[-1]}"
        yield from value(dice, head + tie, indent, levels, anchors)


def value(dice: Dice, head: str, indent: int, levels: int, anchors: list[str]) -> Iterator[str]:
    """Yield the lines of a field or an item with its value."""
    match dice.below(9 if levels else 6):
        case 0:
            yield f"{head} {flow(dice, 2, anchors)}"
        case 1:
            yield from long_text(dice, head, indent)
        case 2 if anchors and "&" not in head:
            yield f"{head} *{dice.one(anchors)}"
        case 2 | 3:
            yield f"{head} {quoted(dice)}"
        case 4 | 5:
            yield f"{head} {scalar(dice)}{dice.one(('', '', ' # c', '  '))}"
        case _:
            yield head + dice.one(("", "", "", " # c", " !!map"))
            yield from block(dice, indent + 1 + dice.below(3), levels - 1, anchors)


def flow(dice: Dice, levels: int, anchors: list[str]) -> str:
    """Return a collection in flow style, or a scalar in one."""
    if not levels or dice.often(40):
        return quoted(dice) if dice.often(30) else scalar(dice)
    if anchors and dice.often(15):
        return f"*{dice.one(anchors)} "
    items = [flow(dice, levels - 1, anchors) for _ in range(dice.below(4))]
    comma = dice.one((", ", ", ", ",", " ,\n     ", ", # c\n     "))
    tail = dice.one(("", "", "", comma)) if items else ""
    if dice.often(50):
        return "[" + comma.join(items) + tail + "]"
    colon = dice.one((": ", ": ", ":", " : "))
    keys = [f'"{number}"' if dice.often(30) else f"k{number}" for number in range(len(items))]
    return "{" + comma.join(f"{key}{colon}{item}" for key, item in zip(keys, items, strict=True)) + tail + "}"


def quoted(dice: Dice) -> str:
    """Return a quoted text with escapes and line breaks."""
    if dice.often(40):
        return "'" + dice.some("ab ''1:#{\\é", 0, 8).replace("'", "''") + "'"
    escapes = (
        "\\n",
        "\\t",
        "\\x41",
        "\\u00e9",
        "\\U0001F600",
        "\\0",
        "\\e",
        "\\/",
        "\\ ",
        "\\\n      ",
        "\n      ",
        "\\L",
        "\\q",
    )
    return '"' + "".join(dice.one((*escapes, *"ab 1:#{'é")) for _ in range(dice.below(6))) + '"'


def long_text(dice: Dice, head: str, indent: int) -> Iterator[str]:
    """Yield the lines of a literal or folded block with blank lines, deeper lines and tabs."""
    deeper = 1 + dice.below(3)
    number = dice.one(("", "", "", str(deeper), "1", "9"))
    yield f"{head} {dice.one('|>')}{number}{dice.one(('', '-', '+'))}{dice.one(('', '', ' # c', '#c'))}"
    for _ in range(dice.below(5)):
        yield dice.one(
            (
                "",
                " " * dice.below(8),
                *[" " * (indent + deeper) + dice.one(("text", " x", "# c", "\tx", "- a", "a: b"))] * 4,
            )
        )


def broken(dice: Dice, text: str) -> str:
    """Return ``text`` with an insertion, a deletion or an exchange."""
    for _ in range(1 + dice.below(2)):
        at = dice.below(len(text) + 1)
        width = dice.below(3)
        put = dice.one((*ODD, *ODDER)) if dice.often(75) else ""
        text = text[:at] + put + text[at + width :]
    return text


if __name__ == "__main__":
    for line in texts():
        print(json.dumps(line))
