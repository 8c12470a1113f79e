from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.errors import RollstepError
from renderer.rollouts.pod_template import canonical_json
from renderer.rollouts.pod_template.fnv import fnv32a, safe_hash
from renderer.rollouts.pod_template.go_json import encoder


def pod(**spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "a"}], **spec}}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("<a&b>", r"\u003ca\u0026b\u003e"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\b\f\n\r\t\x00\x1f\x7f", "\\b\\f\\n\\r\\t\\u0000\\u001f\x7f"),
        ('"\\/', r"\"\\/"),
        ("é😀", "é😀"),
        ("a\ud800b", "a\ufffdb"),
    ],
)
def test_text_is_escaped_as_by_go(text: str, written: str) -> None:
    assert encoder("1.9", "string")(text) == f'"{written}"'


@given(st.text())
def test_text_is_read_back(text: str) -> None:
    assert json.loads(encoder("1.9", "string")(text)) == text


@pytest.mark.parametrize(
    ("spec", "bytes_"),
    [
        (
            {"volumes": [{"name": "v", "unknown": 1, "emptyDir": {"sizeLimit": "1024Mi"}}]},
            b'"emptyDir":{"sizeLimit":"1Gi"}',
        ),
        (
            {"volumes": [{"name": "v", "configMap": {"name": "c", "items": None}}]},
            b'{"name":"v","configMap":{"name":"c"}}',
        ),
        ({"volumes": [None]}, b'"volumes":[{"name":""}]'),
        ({"nodeSelector": {"b": "2", "a": "1"}}, b'"nodeSelector":{"a":"1","b":"2"}'),
        ({"terminationGracePeriodSeconds": 0}, b'"terminationGracePeriodSeconds":0'),
        ({"priority": 5.0}, b'"priority":5'),
    ],
)
def test_a_value_is_written_as_its_go_type(spec: dict[str, Any], bytes_: bytes) -> None:
    assert bytes_ in canonical_json(pod(**spec))


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"volumes": {"a": 1}}, "spec.template.spec.volumes"),
        ({"volumes": [{}, {"secret": 5}]}, "spec.template.spec.volumes[1].secret"),
        ({"volumes": [{"emptyDir": {"sizeLimit": "big"}}]}, "spec.template.spec.volumes[0].emptyDir.sizeLimit"),
        ({"volumes": [{"secret": {"defaultMode": 2**31}}]}, "spec.template.spec.volumes[0].secret.defaultMode"),
        ({"volumes": [{"secret": {"optional": "yes"}}]}, "spec.template.spec.volumes[0].secret.optional"),
        ({"nodeSelector": {"a": 1}}, "spec.template.spec.nodeSelector.a"),
    ],
)
def test_what_go_cannot_read_is_refused_at_its_place(spec: dict[str, Any], field: str) -> None:
    with pytest.raises(RollstepError) as raised:
        canonical_json(pod(**spec))
    (finding,) = raised.value.findings
    assert finding.field == field
    assert "expected" in finding.message


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.7"):
        canonical_json(pod(), "1.7")


@pytest.mark.parametrize(("data", "value"), [(b"", 0x811C9DC5), (b"a", 0xE40C292C), (b"foobar", 0xBF9CF968)])
def test_fnv_1a(data: bytes, value: int) -> None:
    # The test vectors of the FNV authors' draft (draft-eastlake-fnv, 32 bits).
    assert fnv32a(data) == value


@given(st.binary(), st.none() | st.integers(0, 2**31 - 1))
def test_a_hash_is_made_of_safe_characters(data: bytes, collision_count: int | None) -> None:
    assert set(safe_hash(data, collision_count)) <= set("bcdfghjklmnpqrstvwxz2456789")
