from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from renderer.errors import Finding, RollstepError
from renderer.pipeline.load import ALLOW_EXEC
from renderer.pipeline.load.files import Folder
from renderer.pipeline.load.settings import AppSettings, SourceSettings
from renderer.pipeline.load.sources import Sources, read_sources, run_command

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an app's empty folder; the repository's root is three above."""
    path = tmp_path / "environments" / "prod" / "web"
    path.mkdir(parents=True)
    return path


def write(path: Path, text: str = CONFIG_MAP) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def read(folder: Path, **settings: Any) -> Sources:
    settings = {"environment": "prod", "app": "web", "namespace": "shop", **settings}
    return read_sources(folder, AppSettings(**settings), Folder(folder.parents[2]))


def findings(folder: Path, **settings: Any) -> list[Finding]:
    with pytest.raises(RollstepError) as error:
        read(folder, **settings)
    return list(error.value.findings)


def test_files_are_read_sorted_without_hidden_files_and_those_of_rollstep(folder: Path):
    for name in ("b.yaml", "a.yml", "sub/c.json", "sub/deeper/d.yaml", "sub/status.yaml"):
        write(folder / name, f"# {name}\n")
    for name in ("status.yaml", "out/x.yaml", ".git/x.yaml", ".hidden.yaml", "README.md", "_part.yaml.j2", "e.yaml~"):
        write(folder / name, "not: read\n")
    sources = read(folder, output="out")
    names = ["a.yml", "b.yaml", "sub/c.json", "sub/deeper/d.yaml", "sub/status.yaml"]
    assert [text.file for text in sources.texts] == [f"environments/prod/web/{name}" for name in names]
    assert [text.text for text in sources.texts] == [f"# {name}\n" for name in names]
    assert [text.path for text in sources.texts] == [folder / name for name in names]
    assert sources.files == tuple(folder / name for name in names)


def test_a_missing_folder_has_no_sources(folder: Path):
    assert read(folder / "sub") == Sources((), ())


def test_a_template_gets_the_values_and_the_names_of_its_app(folder: Path):
    template = write(
        folder / "web.yaml.j2",
        "name: {{ app }}-{{ environment }}-{{ namespace }}\n"
        "{% for host in hosts %}\n"
        "- {{ host }}\n"
        "{% endfor %}\n"
        "labels:\n"
        "{{ labels | to_yaml(2) }}\n",
    )
    sources = read(folder, values={"hosts": ["a", "b"], "labels": {"x": "yes"}})
    (text,) = sources.texts
    assert text.text == 'name: web-prod-shop\n- a\n- b\nlabels:\n  x: "yes"\n'
    assert text.path is None
    assert text.file == "environments/prod/web/web.yaml.j2 (filled in)"
    assert sources.files == (template,)


def test_a_plain_manifest_is_no_template(folder: Path):
    write(folder / "analysis.yaml", 'query: "{{ args.service }} {% if %}"\n')
    assert read(folder).texts[0].text == 'query: "{{ args.service }} {% if %}"\n'


def test_a_template_can_include_another_one_of_the_repository(folder: Path):
    write(folder / "web.yaml.j2", '# web\n{% include "base/_web.yaml.j2" %}')
    base = write(folder.parents[2] / "base" / "_web.yaml.j2", "app: {{ app }}\n")
    sources = read(folder)
    assert sources.texts[0].text == "# web\napp: web\n"
    assert base in sources.files


@pytest.mark.parametrize(
    ("template", "line", "message"),
    [
        ("a: 1\nb: {{ nope }}\n", 2, "'nope' is undefined"),
        ("a: {{ image.tag }}\n", 1, "no attribute 'tag'"),
        ("a: 1\n{% if %}\n", 2, "Expected an expression"),
        ("a: {{ ''.__class__.__mro__ }}\n", 1, "unsafe"),
        ("\na: {{ 1 / 0 }}\n", 2, "ZeroDivisionError"),
        ("\n\n{% include 'nope.yaml.j2' %}\n", 3, "nope.yaml.j2"),
        ("{% include '../../outside.j2' %}\n", 1, "outside.j2"),
        ("a: {{ image | nope }}\n", 1, "No filter named 'nope'"),
        ("a: {{ image.update(b=1) }}\n", 1, "unsafe"),
    ],
)
def test_a_template_that_fails_names_its_line(folder: Path, template: str, line: int, message: str):
    write(folder / "web.yaml.j2", template)
    (finding,) = findings(folder, values={"image": {}})
    assert (finding.file, finding.line) == ("environments/prod/web/web.yaml.j2", line)
    assert message in finding.message


def test_the_fault_of_an_included_template_is_its_own(folder: Path):
    write(folder / "web.yaml.j2", '# web\n{% include "base/_web.yaml.j2" %}')
    write(folder.parents[2] / "base" / "_web.yaml.j2", "a: 1\nb: 2\nc: {{ nope }}\n")
    (finding,) = findings(folder)
    assert (finding.file, finding.line) == ("base/_web.yaml.j2", 3)


def test_a_name_that_is_not_there_says_where_values_stand(folder: Path):
    write(folder / "web.yaml.j2", "{{ nope }}")
    assert findings(folder)[0].hint == "values stand under `values` in rollstep.yaml"


@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml", "Kustomization"])
def test_a_kustomization_without_a_source_says_what_to_set(folder: Path, name: str):
    write(folder / name, "resources: [a.yaml]\n")
    (finding,) = findings(folder)
    assert finding.file == f"environments/prod/web/{name}"
    assert 'source: {kustomize: "${folder}"}' in finding.hint


def test_a_chart_without_a_source_says_what_to_set(folder: Path):
    write(folder / "Chart.yaml", "name: web\n")
    (finding,) = findings(folder)
    assert 'source: {helm: {chart: "${folder}"}}' in finding.hint


def test_links_within_the_repository_are_followed(folder: Path):
    base = write(folder.parents[2] / "base" / "a.yaml").parent
    (folder / "link.yaml").symlink_to(base / "a.yaml")
    (folder / "linked").symlink_to(base, target_is_directory=True)
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    names = [text.file for text in read(folder).texts]
    assert names == ["environments/prod/web/link.yaml", "environments/prod/web/linked/a.yaml"]


def test_links_out_of_the_repository_are_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    outside = write(tmp_path_factory.mktemp("outside") / "secret.yaml", "password: hunter2\n")
    (folder / "file.yaml").symlink_to(outside)
    (folder / "folder").symlink_to(outside.parent, target_is_directory=True)
    (folder / "nothing.yaml").symlink_to(folder / "gone.yaml")
    write(folder / "web.yaml.j2", '{% include "link.j2" %}')
    (folder.parents[2] / "link.j2").symlink_to(outside)
    found = [(finding.file, finding.message) for finding in findings(folder)]
    assert found == [
        ("environments/prod/web/file.yaml", "is a link out of the repository"),
        ("environments/prod/web/folder", "is a link out of the repository"),
        ("environments/prod/web/nothing.yaml", "is a dangling link"),
        ("link.j2", "is a link out of the repository"),
    ]


def test_files_that_are_not_text_are_refused_all_at_once_and_nothing_hangs(folder: Path):
    (folder / "latin.yaml").write_bytes(b"a: \xe4\n")
    (folder / "nul.yaml").write_bytes(b"a: \x00\n")
    os.mkfifo(folder / "pipe.yaml")
    (folder / "mark.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert [finding.file.rpartition("/")[2] for finding in findings(folder)] == ["latin.yaml", "nul.yaml", "pipe.yaml"]
    for name in ("latin.yaml", "nul.yaml", "pipe.yaml"):
        (folder / name).unlink()
    assert read(folder).texts[0].text == "a: 1\n"


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow the programs that the settings name."""
    monkeypatch.setenv(ALLOW_EXEC, "1")


def command(code: str, *arguments: str) -> SourceSettings:
    return SourceSettings((sys.executable, "-c", code, *arguments), 30)


@pytest.mark.usefixtures("trusted")
def test_a_command_runs_in_the_root_without_a_shell_and_without_input(folder: Path):
    code = "import os, sys; print(os.getcwd()); print(sys.argv[1:]); print(repr(sys.stdin.read()))"
    sources = read(folder, source=command(code, "$HOME; ls", "*"))
    (text,) = sources.texts
    assert text.text == f"{folder.parents[2]}\n['$HOME; ls', '*']\n''\n"
    assert text.path is None


@pytest.mark.parametrize("allowed", [None, "", "0", "false"])
def test_a_command_does_not_run_unless_it_is_allowed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, allowed: str | None
):
    if allowed is not None:
        monkeypatch.setenv(ALLOW_EXEC, allowed)
    ran = folder / "ran"
    (finding,) = findings(folder, source=command(f"open({str(ran)!r}, 'w')"))
    assert finding.message == "rollstep.yaml names this program as a source, but it is not allowed to run"
    assert "--allow-exec or ROLLSTEP_ALLOW_EXEC=1" in finding.hint
    assert not ran.exists()


@pytest.mark.usefixtures("trusted")
def test_the_files_beside_a_command_are_named_but_not_read(folder: Path):
    path = write(folder / "kustomization.yaml", "resources: []\n")
    sources = read(folder, source=command("print('a: 1')"))
    assert [text.text for text in sources.texts] == ["a: 1\n"]
    assert sources.files == (path,)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    ("arguments", "reads", "is_told"),
    [
        ((), (".",), True),
        (("charts/web", "--values", "environments/prod/values.yaml"), (".",), True),
        (("environments/prod/web-2",), ("environments/prod/web/other.yaml",), True),
        (("environments/prod/web",), (".",), False),
        (("cat ./environments/prod/web/*.yaml",), (".",), False),
        ((), ("environments/prod/web/extra.yaml",), False),
        ((), ("environments",), False),
    ],
)
def test_a_manifest_that_the_command_does_not_read_is_told(
    folder: Path, arguments: tuple[str, ...], reads: tuple[str, ...], is_told: bool
):
    write(folder / "extra.yaml")
    write(folder / "values.yaml", "replicas: 5\n")
    argv = (sys.executable, "-c", "print('a: 1')", *arguments)
    notes = read(folder, source=SourceSettings(argv, 30, reads)).notes
    assert [note.file for note in notes] == ["environments/prod/web/extra.yaml"] * is_told
    assert all("prints the manifests of prod/web" in note.message and "source.reads" in note.hint for note in notes)


@pytest.mark.usefixtures("trusted")
def test_a_command_that_fails_shows_its_standard_error(folder: Path):
    code = "import sys; print('out'); print('first\\nno such overlay', file=sys.stderr); sys.exit(3)"
    (finding,) = findings(folder, source=command(code))
    assert finding.message == "failed with exit status 3: first\nno such overlay"
    assert finding.file.startswith("`")


@pytest.mark.usefixtures("trusted")
def test_a_missing_command_is_reported(folder: Path):
    (finding,) = findings(folder, source=SourceSettings(("kustomize-of-nobody", "build", "a b")))
    assert finding.file == "`kustomize-of-nobody build 'a b'`"
    assert "cannot be started" in finding.message


@pytest.mark.usefixtures("trusted")
def test_a_command_that_prints_no_text_is_refused(folder: Path):
    (finding,) = findings(folder, source=command("import sys; sys.stdout.buffer.write(b'\\xff')"))
    assert "UTF-8" in finding.message


def test_a_command_that_takes_too_long_ends_with_its_children(tmp_path: Path):
    code = (
        "import subprocess, sys, pathlib\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "pathlib.Path('child').write_text(str(child.pid))\n"
        "child.wait()\n"
    )
    source = SourceSettings((sys.executable, "-c", code), 3)
    assert source.argv is not None
    with pytest.raises(RollstepError, match="took longer than 3 s"):
        run_command(source.argv, tmp_path, source.timeout_seconds)
    child = int((tmp_path / "child").read_text(encoding="utf-8"))
    for _ in range(100):
        if not is_running(child):
            break
        time.sleep(0.1)
    assert not is_running(child)


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
