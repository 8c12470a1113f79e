"""Hostile and broken input is refused with a message or handled as data; nothing is written or run."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from renderer.kubernetes.manifest import Manifest
from renderer.kubernetes.printing import markdown_table, text_table
from renderer.kubernetes.yaml.reader import load_documents
from renderer.pipeline.render.files import RenderContext, file_names, render
from tests.support.commands import NOON, PROJECT, Checkout

ROLLOUT = "environments/prod/web/rollout.yaml"
CONFIG = "environments/prod/web/configmap.yaml"
ESCAPES = "\\e]0;owned\\a\\e[31m\\u202e\\u2028"
HOSTILE = [
    "../../../etc/x",
    "/etc/x",
    "..",
    "$(touch x)",
    "`touch x`",
    "a\nRollstep-App: b",
    "{{ 1 }}",
    "--help",
    "CON",
]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "repo")


def refused(checkout: Checkout, *words: str) -> str:
    """Expect verbs that read and write to refuse, and nothing to change in or beside the repository."""
    before, beside = checkout.snapshot(), sorted(checkout.root.parent.iterdir())
    for verb in (["plan", "prod/web"], ["render", "prod/web", "--no-validate"]):
        done = checkout.run(*verb, code=1)
        assert "Traceback" not in done.stderr
        assert done.stderr.replace("\n", "").isprintable()
        for word in words:
            assert word in done.stderr
    assert (checkout.snapshot(), sorted(checkout.root.parent.iterdir())) == (before, beside)
    return done.stderr


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_would_escape(checkout: Checkout, name: str) -> None:
    quoted = '"' + name.replace("\n", "\\n") + '"'
    checkout.edit(ROLLOUT, "name: web\n", f"name: {quoted}\n")
    refused(checkout, "metadata.name")


def test_a_namespace_that_would_escape(checkout: Checkout) -> None:
    checkout.edit("rollstep.yaml", "shop-${environment}", "../../${environment}")
    refused(checkout, "rollstep.yaml:6", "namespace")


@pytest.mark.parametrize("key", ["output", "templates", "schemas", "environmentsPath"])
@pytest.mark.parametrize("path", ["../out", "/srv/out", "a/../../out", "a\\nb"])
def test_a_path_in_the_settings_that_would_escape(checkout: Checkout, key: str, path: str) -> None:
    value = f'["{path}"]' if key == "schemas" else f'"{path}"'
    text = f"{key}: {value}\n" if key == "environmentsPath" else f"apps: {{web: {{{key}: {value}}}}}\n"
    (checkout.root / "rollstep.yaml").write_text(text, encoding="utf-8")
    refused(checkout, "rollstep.yaml:1", key)


@pytest.mark.parametrize("name", [*HOSTILE, "con", "aux.x", "com1", "lpt9"])
def test_no_file_is_named_outside_its_folder_or_as_a_device(name: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    upper = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name.upper() + "A"}}
    lower = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name.lower() + "a"}}
    files = render([body, upper, lower], user_templates=None, context=RenderContext("web", "prod"))
    assert len({file.lower() for file in files}) == len(files)
    for file in files:
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*\.yaml", file)
        assert not re.match(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", file)
    read = load_documents(files[file_names([Manifest(body).key])[Manifest(body).key]], "made") if len(files) else []
    assert read[0].value["metadata"]["name"] == name


def test_escape_sequences_do_not_reach_a_terminal(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda *_: False)
    monkeypatch.setenv("NO_COLOR", "1")  # Leave out our own colors.
    text = (checkout.root / ROLLOUT).read_text(encoding="utf-8")
    image = re.search(r"image: \S+", text)
    assert image is not None
    for old, new in (
        ("name: web\n", f'name: "web{ESCAPES}"\n'),
        ("spec:\n", f'spec:\n  "x{ESCAPES}": 1\n'),
        ("containers:", f'volumes: [{{name: "{ESCAPES}"}}]\n      containers:'),
    ):
        (checkout.root / ROLLOUT).write_text(text.replace(old, new, 1), encoding="utf-8")
        refused(checkout)
        lint = checkout.run("lint", "environments/prod/web", code=1)
        assert (lint.stdout + lint.stderr).replace("\n", "").isprintable()
    hostile = text.replace(image.group(), f'image: "registry.example.com/web{ESCAPES}:1"')
    (checkout.root / ROLLOUT).write_text(hostile, encoding="utf-8")
    checkout.commit()
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    for verb in ("status", "plan", "get", "history", "diff"):
        done = checkout.run(verb, "prod/web")
        assert (done.stdout + done.stderr).replace("\n", "").isprintable(), verb


def test_a_folder_whose_name_cannot_be_shown(checkout: Checkout) -> None:
    (checkout.root / "environments/prod/web").rename(checkout.root / "environments/prod/we\x1b[31mb")
    assert "has unprintable characters" in checkout.run("status", code=1).stderr


def test_a_cell_ends_no_table_and_is_no_html() -> None:
    rows = [["a", "b"], ["<img src=x>|c\nd", "\x1b[31m"]]
    assert markdown_table(rows).splitlines()[2] == "| &lt;img src=x>\\|c\ufffdd | \ufffd\\[31m |"
    shown = markdown_table([["a"], ["![p](https://x.example) @org/admins **LGTM** `code` _b_ #1 a_b"]]).splitlines()[2]
    links = "https:\u200b//x.example) @\u200borg/admins"
    assert shown == f"| \\!\\[p\\]({links} \\*\\*LGTM\\*\\* \\`code\\` \\_b\\_ \\#1 a_b |"
    assert text_table(rows).count("\n") == 2


DOCUMENTS = {
    "alias bomb": "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "an alias within itself": "a: &a [*a]\n",
    "deep flow": "[" * 100_000,
    "deep braces": "{a: " * 50_000,
    "deep dashes": "- " * 100_000 + "a\n",
    "deep JSON": '{"a":' * 100_000,
    "NUL": "a: \0\n",
    "a tag of Python": "a: !!python/object/apply:os.system [touch ran]\n",
    "a tab": "a:\n\tb: 1\n",
    "duplicate keys": "a: 1\na: 2\n",
    "long key": "? " + "k" * 900_000 + "\n: [\n",
}


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_that_would_hurt(checkout: Checkout, text: str) -> None:
    (checkout.root / "environments/prod/web/extra.yaml").write_text(text, encoding="utf-8")
    refused(checkout, "environments/prod/web/extra.yaml")
    assert not (checkout.root / "ran").exists()


def test_invalid_utf8_is_refused_and_byte_order_marks_are_read(checkout: Checkout) -> None:
    path = checkout.root / ROLLOUT
    content = path.read_bytes()
    path.write_bytes(b"# \xff\n" + content)
    refused(checkout, f"{ROLLOUT}:1: byte 0xff is not UTF-8")
    plain = checkout.run("plan", "staging/web").stdout
    path.write_bytes(content)
    other = checkout.root / "environments/staging/web/rollout.yaml"
    if other.exists():
        other.write_bytes(b"\xef\xbb\xbf" + other.read_bytes().replace(b"\n", b"\r\n"))
    assert checkout.run("plan", "staging/web").stdout == plain


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
sys.argv[0] = "rollstep"
from renderer.cli.main import main
try:
    main()
finally:
    # Not ru_maxrss: it begins with what the process had that started this one.
    status = open("/proc/self/status", encoding="ascii").read()
    print("peak", int(status.partition("VmHWM:")[2].split()[0]) // 1024, file=sys.stderr)
"""


def peak(checkout: Checkout, *verb: str, code: int) -> tuple[str, int]:
    """Run a verb with at most 10 s of CPU; return stderr and the peak memory in megabytes."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-c", LIMITED, *verb]
    done = subprocess.run(command, cwd=checkout.root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr[-2000:]
    said, _, number = done.stderr.rpartition("peak ")
    return said, int(number)


def test_a_hundred_megabytes_are_refused_unread(checkout: Checkout) -> None:
    with (checkout.root / CONFIG).open("a", encoding="utf-8") as file:
        file.write("x: ")
        for _ in range(100):
            file.write("a" * 1_000_000)
    said, megabytes = peak(checkout, "plan", "prod/web", code=1)
    assert f"{CONFIG}: has 100" in said
    assert "are the most" in said
    assert megabytes < 256


@pytest.mark.parametrize("verb", [["lint", "-"], ["hash", "-"], ["init", "-"], ["render", "-"]])
def test_a_stream_has_the_limit_of_a_file(checkout: Checkout, verb: list[str]) -> None:
    before = checkout.snapshot()
    done = checkout.run(*verb, code=1, stdin="x: " + "a" * 16_000_000)
    told = done.stdout + done.stderr
    assert "has more than 16,000,000 bytes, and 16,000,000 are the most" in told
    assert len(told) < 1000
    assert checkout.snapshot() == before


def test_a_pipe_has_the_limit_of_a_file(checkout: Checkout, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    endless = "import sys\nwith open(sys.argv[1], 'wb') as file:\n    while True: file.write(b'a' * 1_000_000)"
    with subprocess.Popen([sys.executable, "-c", endless, str(pipe)], stderr=subprocess.DEVNULL) as writer:
        try:
            done = checkout.run("lint", str(pipe), code=1)
        finally:
            writer.kill()
    assert "more than 16,000,000 bytes" in done.stdout + done.stderr


MANY_SMALL = {
    "items": "[" + "a," * 490_000 + "]",
    "keys": "".join(f"k{n}: {n}\n" for n in range(72_000)),
    "documents": "---\na\n" * 160_000,
    "Rollouts": "---\napiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: a}\n" * 13_000,
}


@pytest.mark.parametrize("text", MANY_SMALL.values(), ids=MANY_SMALL)
def test_a_megabyte_of_small_values_is_refused(checkout: Checkout, text: str) -> None:
    assert len(text) < 1_000_000
    (checkout.root / "environments/prod/web/extra.yaml").write_text(text, encoding="utf-8")
    said, megabytes = peak(checkout, "plan", "prod/web", code=1)
    assert "extra.yaml" in said
    assert megabytes < 256


@pytest.mark.parametrize("text", ["x: " + "a" * 990_000, "x: {" + "a: [1], " * 2 + "}", "- a\n" * 200_000])
def test_a_megabyte_takes_bounded_memory_and_time(checkout: Checkout, text: str) -> None:
    (checkout.root / "environments/prod/web/extra.yaml").write_text(text, encoding="utf-8")
    _, megabytes = peak(checkout, "plan", "prod/web", code=1)
    assert megabytes < 256


def test_links_do_not_bring_in_what_lies_outside(checkout: Checkout, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.yaml").write_text("password: hunter2\n", encoding="utf-8")
    link = checkout.root / "environments/prod/web/extra.yaml"
    link.symlink_to(outside / "secret.yaml")
    assert "hunter2" not in refused(checkout, "is a link out of the repository")
    link.unlink()
    (checkout.root / "templates").mkdir()
    (checkout.root / "templates/object.yaml.j2").symlink_to(outside / "secret.yaml")
    before = checkout.snapshot()
    done = checkout.run("render", "prod/web", "--no-validate", code=1)
    assert "object.yaml.j2: is a link out of the repository" in done.stderr
    assert "hunter2" not in done.stderr
    assert checkout.snapshot() == before


def test_a_file_with_two_names_is_replaced_not_written_through(checkout: Checkout, tmp_path: Path) -> None:
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    rendered = checkout.root / "environments/prod/web/rendered/configmap-web.yaml"
    os.link(rendered, tmp_path / "other")
    before = (tmp_path / "other").read_bytes()
    checkout.edit(CONFIG, "\ndata:\n", "\n  labels: {a: b}\ndata:\n")
    checkout.run("render", "prod/web", "--no-validate")
    assert (tmp_path / "other").read_bytes() == before
    assert rendered.read_bytes() != before


def test_a_program_of_a_branch_does_not_run(checkout: Checkout) -> None:
    (checkout.root / "rollstep.yaml").write_text("defaults: {source: {exec: [touch, ran]}}\n", encoding="utf-8")
    refused(checkout, "it is not allowed to run", "--allow-exec")
    checkout.run("lint", "environments", code=1)
    assert not (checkout.root / "ran").exists()


OFFLINE = """
import sys
def deny(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        print("NETWORK", event, arguments, file=sys.stderr)
        raise SystemExit(99)
sys.addaudithook(deny)
from renderer.cli.main import main
main()
"""


def test_no_verb_asks_the_network(checkout: Checkout) -> None:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "GITHUB_TOKEN": "none"}
    for verb in (
        ["advance", "prod/web", "--now", NOON],
        ["render", "prod/web"],
        ["render", "--check", "prod/web"],
        ["plan", "prod/web"],
        ["status", "prod/web"],
        ["lint", "environments/prod/web"],
        ["verify"],
        ["history", "prod/web"],
    ):
        command = [sys.executable, "-c", OFFLINE, *verb]
        done = subprocess.run(command, cwd=checkout.root, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "NETWORK" not in done.stderr


def test_the_hook_that_denies_the_network_does() -> None:
    code = OFFLINE.partition("from renderer")[0] + "import socket\nsocket.create_connection(('127.0.0.1', 9))\n"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 99


def test_the_threat_model_names_every_test_of_this_file() -> None:
    page = (PROJECT / "docs/explanation/threat-model.md").read_text(encoding="utf-8")
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    mine = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
    assert {test for test in mine if f"`{test}`" not in page} == {
        "test_the_hook_that_denies_the_network_does",
        "test_the_threat_model_names_every_test_of_this_file",
    }
