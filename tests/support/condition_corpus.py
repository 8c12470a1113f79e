"""``python -m tests.support.condition_corpus``: random conditions with results, as lines of JSON.

The expressions are drawn from the whole grammar, well typed or not.  The controller's own evaluation of each
(``tests/data/analysis/generate``) is compared with that of ``renderer.rollouts.analysis``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any

SEED, COUNT = 20260101, 5000

ROWS = [{"v": 1, "ok": True, "n": "a"}, {"v": 5, "ok": False, "n": "b"}, {"v": 2.5, "ok": True, "n": "a"}]
Paths = dict[str, tuple[str, ...]]

RESULTS: tuple[tuple[Any, str, Paths], ...] = (
    (0.97, "", {"number": ("result", "default(result, 0)", "asFloat(result)", "asInt(result)")}),
    (5, "", {"number": ("result", "int(result)", "asInt(result)")}),
    (True, "", {"truth": ("result",)}),
    (None, "", {"any": ("result",), "truth": ("isNil(result)",), "number": ("default(result, 3)",)}),
    ("v1.2", "", {"text": ("result", "result[1:]", "default(result, 'x')")}),
    ("12", "", {"text": ("result",), "number": ("asInt(result)", "int(result)", "float(result)", "len(result)")}),
    ("\u00e9\t ", "", {"text": ("result", "result[2:]")}),
    ([1, 2, 0.5], "", {"numbers": ("result", "result[1:]"), "number": ("result[0]", "result[-1]", "result[5]")}),
    (["b", "a"], "", {"any": ("result",), "text": ("result[0]", "last(result)", "join(result, '-')")}),
    ([1, "a", None, [2]], "", {"any": ("result", "result[1]", "result[2]", "result[3]"), "number": ("result[0]",)}),
    ([], "", {"numbers": ("result",), "rows": ("result",)}),
    ([], "floats", {"numbers": ("result",), "number": ("first(result)", "max(result)", "sum(result)")}),
    ([0.5, 2, 7], "floats", {"numbers": ("result", "result[:2]"), "number": ("result[0]", "result[-1]", "result[9]")}),
    (
        ROWS,
        "",
        {"rows": ("result", "result[1:]"), "number": ("result[0].v", "last(result).v"), "text": ("result[1].n",)},
    ),
    ({}, "", {"any": ("result", "result.x", "result?.x?.y"), "number": ("len(result)",)}),
    (
        {"ok": True, "errors": 3, "name": "web", "tags": ["b", "a"], "p": [1, 2], "in": {"p95": 80, "none": None}},
        "",
        {
            "number": ("result.errors", "result['errors']", "result.in.p95", "result.in?.p95", "result.missing ?? 4"),
            "text": ("result.name", "result.tags[0]", "result?.name"),
            "truth": ("result.ok", "'ok' in result", "result.missing == nil", "result.in.none?.x == nil"),
            "numbers": ("result.p",),
            "any": ("result", "result.missing", "result.in.none", "result.missing?.x", "result.tags"),
        },
    ),
)
LITERALS: Paths = {
    "number": ("0", "1", "2", "-1", "5", "100", "0.95", ".5", "1e3", "0x10", "0b11", "1_000", "9223372036854775807"),
    "truth": ("true", "false"),
    "text": ("'a'", '"web"', "`o``k`", "''", "'v1.2'", "'12'", "'\\x41\\u{42}\\103'", "'a\\nb'"),
    "numbers": ("[]", "[1, 2]", "[3, 0.5, 1]", "1..3", "3..1", "0..2", "[[1], [2.5]]"),
    "rows": ("[{v: 1, ok: true, n: 'x'}]", "[{v: 2.5, ok: false, n: 'y'}, {v: 1, ok: true, n: 'x'}]", "[]"),
    "any": ("nil", "1", "'a'", "[1, 'a', nil]", "{a: 1}", "{'b': 'x', c: [1]}", "$env.result", "1.5", "true"),
}
KINDS = tuple(LITERALS)
COMPARISONS = ("==", "!=", "<", ">", "<=", ">=")
BROKEN = ("(", ")", "]", "}", "'", "===", "@", "10a", "result.", "?", "not", "#", "|>", "1 2", "undefined", "len(")


FORMS: dict[str, tuple[str, ...]] = {
    "number": (
        *("{number} + {number}", "{number} - {number}", "{number} * {number}", "{number} / {number}", "-{number}"),
        *("{number} % {number}", "{number} ** {number}", "{number} ^ {number}", "abs({number})", "ceil({number})"),
        *("floor({number})", "round({number})", "int({number})", "float({number})", "asInt({number})", "len({text})"),
        *("asFloat({number})", "max({numbers})", "min({numbers}, {number})", "mean({numbers})", "median({numbers})"),
        *("sum({numbers})", "len({numbers})", "len({any})", "first({numbers})", "last({numbers})", "{numbers}[0]"),
        *("{numbers}[-1]", "{numbers}[{number}]", "count({numbers}, {of_numbers})", "count({rows}, {of_rows})"),
        *("sum({rows}, {number_of_rows})", "sum(map({rows}, {number_of_rows}))", "len(filter({rows}, {of_rows}))"),
        *("reduce({numbers}, #acc + #)", "reduce({numbers}, #acc * # + #index, {number})", "sum([{number}, {number}])"),
        *("find({numbers}, {of_numbers})", "findLast({numbers}, {of_numbers})", "findIndex({rows}, {of_rows})"),
        *("findLastIndex({numbers}, {of_numbers})", "filter({numbers}, {of_numbers})[0]", "get({numbers}, {number})"),
        *("filter({rows}, {of_rows})[-1].v", "first(filter({rows}, {of_rows}))?.v", "{number} ?? {number}"),
        *(
            "{any} ?? {number}",
            "({truth} ? {number} : {number})",
            "(let x = {number}; x * x)",
            "indexOf({text}, {text})",
        ),
        *("bitand({number}, {number})", "bitor({number}, 5)", "bitshl({number}, 3)", "bitnot({number})", "+{number}"),
        *("(if {truth} {{ {number} }} else {{ {number} }})", "int({text})", "({number}; {number})", "{number} | abs()"),
        *("lastIndexOf({text}, {text})", "bitushr({number}, 2)", "bitxor({number}, {number})", "sum({numbers}, # * 2)"),
    ),
    "truth": (
        *("{number} {comparison} {number}", "{number} {comparison} {number}", "{text} {comparison} {text}"),
        *("{any} == {any}", "{any} != {any}", "{numbers} == {numbers}", "{truth} == {truth}", "{number} in {numbers}"),
        *("{number} not in {numbers}", "{number} in [1, 2, 3]", "{text} in ['a', 'web', 'b']", "{number} in 0..5"),
        *(
            "len({text}) in 0..5",
            "len({text}) in [1, 3]",
            "{any} in ['a', 'b']",
            "{any} in {numbers}",
            "{text} in {any}",
        ),
        *(
            "{truth} and {truth}",
            "{truth} && {truth}",
            "{truth} or {truth}",
            "{truth} || {truth}",
            "!{truth}",
            "not {truth}",
        ),
        *("{text} contains {text}", "{text} startsWith {text}", "{text} endsWith {text}", "{text} not contains {text}"),
        *(
            "{text} matches '^v[0-9]+'",
            "{text} matches '(?i)W.B|[^a-c]$'",
            "{text} matches {text}",
            "hasPrefix({text}, {text})",
        ),
        *(
            "all({numbers}, {of_numbers})",
            "any({numbers}, {of_numbers})",
            "none({rows}, {of_rows})",
            "one({rows}, {of_rows})",
        ),
        *("all({rows}, {of_rows}) && all({rows}, {of_rows})", "any({rows}, {of_rows}) || any({rows}, {of_rows})"),
        *("none({numbers}, {of_numbers}) and none({numbers}, {of_numbers})", "isNaN({number})", "isInf({number})"),
        *("isNil({any})", "({truth} ? {truth} : {truth})", "({truth} ?: {truth})", "{number} < {number} <= {number}"),
        *("(let x = {number}; x > {number} || x == 1)", "{truth} && false", "{truth} || true", "true and {truth}"),
        *("type({any}) == 'int'", "{any}?.x == nil", "string({any}) == {text}", "({any} ?? {truth}) == true"),
        *(
            "toPairs({any}) == []",
            "keys({any}) == ['a']",
            "fromPairs(toPairs({any})) == {any}",
            "hasSuffix({text}, {text})",
        ),
    ),
    "text": (
        *("{text} + {text}", "upper({text})", "lower({text})", "trim({text})", "trim({text}, {text})", "string({any})"),
        *(
            "string({number})",
            "string({numbers})",
            "replace({text}, {text}, {text})",
            "repeat({text}, 2)",
            "{text}[1:]",
        ),
        *(
            "join(split({text}, {text}), '+')",
            "trimPrefix({text}, {text})",
            "trimSuffix({text}, {text})",
            "type({any})",
        ),
        *(
            "({truth} ? {text} : {text})",
            "{text}[:-1]",
            "join(map({rows}, .n), ',')",
            "string({rows})",
            "split({text}, 'b')[0]",
        ),
        *(
            "find({rows}, {of_rows}).n",
            "first(sortBy({rows}, .v)).n",
            "{text} | upper()",
            "replace({text}, 'a', 'b', 1)",
        ),
    ),
    "numbers": (
        *("filter({numbers}, {of_numbers})", "map({numbers}, # + 1)", "map({rows}, .v)", "map({numbers}, # * #index)"),
        *(
            "sort({numbers})",
            "sort({numbers}, 'desc')",
            "reverse({numbers})",
            "uniq({numbers})",
            "concat({numbers}, {numbers})",
        ),
        *(
            "flatten([{numbers}, [{number}]])",
            "{numbers}[1:]",
            "{numbers}[:{number}]",
            "[{number}, {number}]",
            "take({numbers}, 1)",
        ),
        *("map(filter({rows}, {of_rows}), .v)", "filter(filter({numbers}, {of_numbers}), {of_numbers})", "{number}..3"),
        *(
            "values({{a: {number}}})",
            "map({numbers}, {number})",
            "({truth} ? {numbers} : {numbers})",
            "map(1..3, #index)",
        ),
    ),
    "rows": (
        *(
            "filter({rows}, {of_rows})",
            "sortBy({rows}, .n, 'desc')",
            "sortBy({rows}, .v)",
            "reverse({rows})",
            "{rows}[:1]",
        ),
        *("groupBy({rows}, .n)['a']", "concat({rows}, {rows})", "take({rows}, 2)"),
    ),
    "any": (
        "{number}",
        "{text}",
        "{truth}",
        "{numbers}",
        "{rows}",
        "{rows}[0]",
        "[{any}, {any}]",
        "{{a: {any}}}",
        "{any} ?? {any}",
    ),
    "of_numbers": (
        "# > {number}",
        "# == {number}",
        "{{# <= {number}}}",
        "# in {numbers}",
        "#index > 0",
        "{{{truth}}}",
        "# % 2 == 0",
    ),
    "of_rows": (
        ".ok",
        "{{.ok}}",
        ".v > {number}",
        "{{#.v {comparison} {number}}}",
        ".n == {text}",
        "!.ok",
        ".x == nil",
        "#.n in ['a']",
    ),
    "number_of_rows": (".v", "#.v * 2", "{{.v + {number}}}", "#index"),
    "comparison": COMPARISONS,
}
"""The forms that make an expression of each kind of others; a form's braces are Python's."""


FIELD = re.compile(r"(?<!{){([a-z_]+)}")
"""A field of a form."""


class _Drawer:
    def __init__(self, random: Random, paths: Paths) -> None:
        self.random, self.paths = random, paths

    def expression(self, kind: str, depth: int) -> str:
        if kind in KINDS and self.random.random() < 0.02:
            kind = self.random.choice(KINDS)  # a mistake
        if kind in KINDS and (depth <= 0 or self.random.random() < 0.2):
            known = self.paths.get(kind, ()) if self.random.random() < 0.7 else ()
            return self.random.choice(known or LITERALS[kind])
        form = self.random.choice(FORMS[kind])
        text = FIELD.sub(lambda field: self.expression(field[1], depth - 1), form)
        text = text.replace("{{", "{").replace("}}", "}")
        return f"({text})" if kind in ("number", "truth", "text") and self.random.random() < 0.7 else text


def conditions(count: int = COUNT, seed: int = SEED) -> Iterator[dict[str, Any]]:
    """Yield random conditions with results; the same ones for the same seed."""
    random = Random(seed)
    for _ in range(count):
        result, kind, paths = random.choice(RESULTS)
        text = _Drawer(random, paths).expression("truth", random.randint(1, 4))
        if random.random() < 0.03:
            place = random.randint(0, len(text))
            text = f"{text[:place]} {random.choice(BROKEN)} {text[place:]}"
        yield {"result": result, "kind": kind, "condition": text}


if __name__ == "__main__":
    for line in conditions():
        print(json.dumps(line))
