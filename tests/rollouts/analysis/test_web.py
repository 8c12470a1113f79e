"""Answers of the web provider, and the JSONPath in them."""

from __future__ import annotations

from typing import Any

import pytest

from renderer.rollouts.analysis.expr import UnsupportedError
from renderer.rollouts.analysis.jsonpath import JSONPathError, find
from renderer.rollouts.analysis.metrics import metric_of
from renderer.rollouts.analysis.web import web_measurement

DATA: dict[str, Any] = {
    "v": 1.0,
    "none": None,
    "text": "ab",
    "a.b": 2.0,
    "rows": [{"n": "x", "v": 1.0}, {"n": "y", "v": 5.0, "ok": True}],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("{$.v}", [[1.0]]),
        ("{.v}", [[1.0]]),
        ("{$}", [[DATA]]),
        ("{$.none}", [[None]]),
        (r"{$['a\.b']}", [[2.0]]),
        (r"{$.a\.b}", [[2.0]]),
        ("{$.rows[0].v}", [[1.0]]),
        ("{$.rows[-1].v}", [[5.0]]),
        ("{$.rows[*].v}", [[1.0, 5.0]]),
        ("{$.rows[0:2:2].v}", [[1.0]]),
        ("{$.rows[1:1].v}", [[]]),
        ("{$.rows[0,1].n}", [["x", "y"]]),
        ("{$.rows[?(@.n=='y')].v}", [[5.0]]),
        ("{$.rows[?(@.v>1.5)].n}", [["y"]]),
        ("{$.rows[?(@.ok)].n}", [["y"]]),
        ("{..n}", [["x", "y"]]),
        ("{$.rows[0]['n','v']}", [["x", 1.0]]),
        ("v={$.v}", [["v="], [1.0]]),
        ('{"q"}', [["q"]]),
        ("$.v", [["$.v"]]),
    ],
)
def test_a_path_finds(path: str, found: list[list[Any]]) -> None:
    assert find(path, DATA) == found


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("{$.missing}", "missing is not found"),
        ("{$.v.deep}", "deep is not found"),
        ("{$['a.b']}", "a is not found"),
        ("{$.none.deep}", "deep is not found"),
        ("{$.v[0]}", "float64 is not array or slice"),
        ("{$.rows[2]}", "array index out of bounds: index 2, length 2"),
        ("{$.rows[-3]}", "array index out of bounds: index -1, length 2"),
        ("{$.rows[0:9]}", "array index out of bounds: index 8, length 2"),
        ("{$.rows[0:2:0]}", "step must be > 0"),
        ("{$.v", "unclosed action"),
        ("{$.rows[x]}", "invalid array index x"),
        ("{$.rows[0}", "unterminated array"),
        ("{%}", "unrecognized character in action: U+0025 '%'"),
        ("{foo}", "unrecognized identifier foo"),
        ("{....v}", "invalid multiple recursive descent"),
        ("{$.rows[?(@.v>1)]}", "incompatible types for comparison"),
        ("{$.v[?(@.x)]}", "1 is not array or slice and cannot be filtered"),
    ],
)
def test_a_path_that_fails(path: str, message: str) -> None:
    with pytest.raises(JSONPathError) as raised:
        find(path, DATA)
    assert str(raised.value) == message


def test_a_range_is_left_out() -> None:
    with pytest.raises(UnsupportedError, match="range in a JSONPath"):
        find("{range .rows[*]}{.v}{end}", DATA)


def measure(
    answer: str, *, status: int = 200, path: str = "{$.v}", condition: str = "result > 1"
) -> tuple[str, str, str]:
    metric = metric_of({"name": "m", "provider": {"web": {"jsonPath": path}}, "successCondition": condition})
    found = web_measurement(metric, status, answer)
    return found.phase, found.value, found.message


@pytest.mark.parametrize(
    ("answer", "measured"),
    [
        ('{"v": 2}', ("Successful", "2", "")),
        ('{"v": 1}', ("Failed", "1", "")),
        ('{"v": 1e21}', ("Successful", "1e+21", "")),
        ("plain text", ("Successful", "plain text", "")),
        ('{"v": 1e999}', ("Successful", '{"v": 1e999}', "")),
        ('{"v": NaN}', ("Successful", '{"v": NaN}', "")),
        ("[" * 100_000, ("Successful", "[" * 100_000, "")),
        ("{}", ("Error", "", "Could not find JSONPath in body: v is not found")),
    ],
)
def test_answers(answer: str, measured: tuple[str, str, str]) -> None:
    assert measure(answer) == measured


def test_other_answers() -> None:
    assert measure("{}", status=404) == ("Error", "", "received non 2xx response code: 404")
    assert measure("{}", status=302) == ("Error", "", "received non 2xx response code: 302")
    assert measure('{"b": "<", "a": [1.5]}', path="", condition="") == (
        "Successful",
        '{"a":[1.5],"b":"\\u003c"}',
        "",
    )
    wrong_type = 'could not evaluate successCondition "result": expected bool, but got string'
    assert measure('{"v": "<x>"}', condition="result") == ("Error", "", wrong_type)
    assert measure("[]", path="{[*]}") == ("Error", "", "result of web metric produced no value")
    assert measure("{}", path="{") == ("Error", "", "unclosed action")


@pytest.mark.parametrize("condition", ["result > 1", "string(result) == 'x'", "result == result", ""])
def test_a_deep_answer_is_an_error_and_no_fault_of_ours(condition: str) -> None:
    answer = '{"v": ' + "[" * 400 + "]" * 400 + "}"
    message = "an answer nested more than 200 levels deep"
    assert measure(answer, condition=condition) == ("Error", "", f"rollstep leaves out {message}")
    assert (
        measure('{"v": ' + "[" * 190 + "]" * 190 + "}", condition="len(result) == 1 && result == result")[0]
        == "Successful"
    )
