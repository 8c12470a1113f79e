from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "data" / "hash"
ROLLOUT = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  template:
    spec:
      containers: [{name: a, image: b}]
      schedulerName: quote"
      dnsPolicy: "1e3"
"""
SPEC = {"containers": [{"name": "a", "image": "b"}], "schedulerName": 'quote"', "dnsPolicy": "1e3"}
HASH = "768459989f"
"""The hash of controller v1.9.1: the second of the recorded vectors."""


def run(*args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "renderer", *args], input=stdin, capture_output=True, encoding="utf-8", check=False
    )


@pytest.mark.parametrize(
    ("version", "name"), [("1.10", "vectors.jsonl"), ("1.9", "vectors.jsonl"), ("1.8", "vectors-v1.8.jsonl")]
)
def test_the_recorded_vectors(version: str, name: str) -> None:
    vectors = [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").split("\n") if line]
    for options, key in (
        ([], "hash"),
        (["--collision-count", "1"], "hash_collision_1"),
        (["--canonical"], "canonical"),
    ):
        done = run("hash", str(DATA / name), "--controller-version", version, *options)
        assert (done.returncode, done.stderr) == (0, "")
        printed = [line.split("\t", 1)[1] for line in done.stdout.split("\n")[:-1]]
        assert printed == [vector[key] for vector in vectors]


def test_each_kind_with_a_pod_template_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    template = json.dumps({"spec": SPEC})
    file.write_text(
        f"{ROLLOUT}"
        f"---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: api}}\nspec: {{template: {template}}}\n"
        f"---\napiVersion: v1\nkind: PodTemplate\nmetadata: {{name: job}}\ntemplate: {template}\n"
        f"---\napiVersion: v1\nkind: Service\nmetadata: {{name: web}}\nspec: {{}}\n"
        f"---\napiVersion: example.com/v1\nkind: Deployment\nmetadata: {{name: o}}\nspec: {{template: {template}}}\n"
        f"---\ntemplate: {template}\n"
        f"---\napiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: PodTemplate, template: {template}}}\n",
        encoding="utf-8",
    )
    done = run("hash", str(file))
    expected = f"web\t{HASH}\napi\t{HASH}\njob\t{HASH}\ntemplate-7\t{HASH}\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


def test_standard_input_and_json() -> None:
    done = run("hash", "-", "-o", "json", "--canonical", stdin=ROLLOUT)
    (row,) = json.loads(done.stdout)
    assert row == {
        "name": "web",
        "kind": "Rollout",
        "hash": HASH,
        "canonical": '{"metadata":{},"spec":{"containers":[{"name":"a","image":"b","resources":{}}],"dnsPolicy":"1e3",'
        r'"schedulerName":"quote\""}}',
    }


def test_lines_of_json_on_standard_input() -> None:
    bare = {"metadata": {"name": "bare"}, "spec": SPEC}
    lines = [json.dumps(line) for line in ({"template": {**bare, "metadata": {}}}, bare, {"other": 1})]
    done = run("hash", "-", stdin="\n".join(lines) + "\n")
    assert (done.returncode, done.stdout) == (0, f"template-1\t{HASH}\nbare\t{HASH}\n")


def test_the_folder_option(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(ROLLOUT, encoding="utf-8")
    assert run("-C", str(tmp_path), "hash", "web.yaml").stdout == f"web\t{HASH}\n"


def test_a_template_of_a_workload_is_noted() -> None:
    done = run("hash", "-", stdin="apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nspec: {workloadRef: {name: web}}\n")
    assert (done.returncode, done.stdout) == (0, "")
    assert "workloadRef" in done.stderr


def test_all_findings_at_once_and_no_hash() -> None:
    wrong = (
        ROLLOUT.replace("image: b", "image: 5") + "---\n" + ROLLOUT.replace("name: a", "command: x") + "---\n" + ROLLOUT
    )
    done = run("hash", "-", stdin=wrong)
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert [line.split(": ")[1:3] for line in lines] == [
        ["<stdin>:7:30", "spec.template.spec.containers[0].image"],
        ["<stdin>:17:21", "spec.template.spec.containers[0].command"],
        ["<stdin>:17:20", "spec.template.spec.containers[0].name"],
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nspec: {}\n", "spec.template: Required value"),
        ("a: [", "is not YAML"),
        ('{"a": }\n', "is not"),
    ],
)
def test_invalid_input_is_refused(text: str, words: str) -> None:
    done = run("hash", "-", stdin=text)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr


@pytest.mark.parametrize("args", [["no-such-file.yaml"], [], ["-", "--controller-version", "1.7"]])
def test_a_wrong_command_line(args: list[str]) -> None:
    done = run("hash", *args)
    assert (done.returncode, done.stdout) == (2, "")
