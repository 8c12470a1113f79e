"""An edit changes what it is to change and no other byte."""

from __future__ import annotations

import pytest

from renderer.errors import RollstepError
from renderer.yaml_edit import REMOVED, edit
from renderer.yaml_io import load_documents

TEXT = """\
# a release
kind: Rollout   # x
spec:
    replicas:   3 # three
    template:
      containers:
        - name: main
          image: "a:1"   # img
          args: [ {name: A, value: b} ]
        - {name: b, image: c}
---
---
kind: Service
text: |
  one
"""


def test_scalars_are_replaced_where_they_stand():
    changes = {
        ("spec", "replicas"): 5,
        ("spec", "template", "containers", 0, "image"): "b: {2}",
        ("spec", "template", "containers", 1, "image"): "x,y",
    }
    edited = edit(TEXT, 0, changes, "f.yaml")
    assert edited == TEXT.replace("  3 #", "  5 #").replace('"a:1"', '"b: {2}"').replace("image: c", 'image: "x,y"')


def test_a_new_scalar_is_one_new_line():
    edited = edit(TEXT, 0, {("spec", "paused"): True}, "f.yaml")
    assert edited == TEXT.replace("    replicas:", "    paused: true\n    replicas:")
    assert edit(TEXT, 1, {("a",): 1}, "f.yaml") == TEXT.replace("kind: Service", "a: 1\nkind: Service")


def test_line_ends_are_kept():
    text = "spec:\r\n  replicas: 3\r\n"
    assert edit(text, 0, {("spec", "paused"): True}, "f") == "spec:\r\n  paused: true\r\n  replicas: 3\r\n"
    assert edit(text, 0, {("spec", "a"): {"b": [1]}}, "f").count("\r\n") == 5


def test_larger_changes_keep_comments_and_quotes():
    changes = {("spec", "template", "containers", 0, "args"): REMOVED, ("spec", "new"): {"a": [1]}}
    edited = edit(TEXT, 0, changes, "f.yaml")
    assert "# a release" in edited
    assert '"a:1"' in edited
    first, second = load_documents(edited, "f")
    assert first.value["spec"]["new"] == {"a": [1]}
    assert "args" not in first.value["spec"]["template"]["containers"][0]
    assert second.value == {"kind": "Service", "text": "one\n"}


def test_a_block_scalar_is_replaced_whole():
    (_, second) = load_documents(edit(TEXT, 1, {("text",): "two"}, "f"), "f")
    assert second.value == {"kind": "Service", "text": "two"}


def test_what_an_alias_shares_is_not_changed_behind_its_back():
    text = "a: &x\n  image: one\nb: *x\n"
    with pytest.raises(RollstepError, match="cannot be edited"):
        edit(text, 0, {("b", "image"): "two"}, "f.yaml")
