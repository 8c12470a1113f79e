"""The wheel and the source distribution hold what an installed rollstep needs, and say what it needs."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LIBRARIES = {
    "aiohttp": "aiohttp",
    "click": "click",
    "gitpython": "git",
    "jinja2": "jinja2",
    "jsonschema": "jsonschema",
    "kubernetes-validate": None,  # for its schemas, which are found without an import
    "msgspec": "msgspec",
    "pyyaml": "yaml",
    "ruamel.yaml": "ruamel",
}
"""The import name of each dependency."""


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None, stdin: str = "") -> str:
    """Return what ``command`` prints; fail with what it said where it fails."""
    done = subprocess.run(command, cwd=cwd, env=env, input=stdin, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(what: list[str], source: Path, to: Path) -> None:
    run(sys.executable, "-m", "build", "--no-isolation", *what, "--outdir", to, cwd=source)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="session")
def metadata(project: Path) -> dict[str, Any]:
    return tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def wheel(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build(["--wheel"], project, folder)
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="session")
def sdist(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    build(["--sdist"], project, folder)
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment with the wheel in it, and outside the checkout.

    Its dependencies are those that the tests run with: a path to them, so that no network is needed.  The checkout is
    not on that path: an editable install is a ``.pth`` file, and those of a path's folders are not read.
    """
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps", wheel)
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    (Path(site) / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return folder


def rollstep(installed: Path, *arguments: str, cwd: Path, stdin: str = "") -> str:
    environment = {"HOME": str(cwd), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    return run(installed / "bin" / "rollstep", *arguments, cwd=cwd, env=environment, stdin=stdin)


def kept(project: Path, *folders: str) -> set[str]:
    """Return the files that git keeps, or would keep, in ``folders``."""
    command = ["git", "-C", str(project), "ls-files", "-z", "--cached", "--others", "--exclude-standard", *folders]
    return {name for name in run(*command).split("\0") if name and (project / name).is_file()}


def test_the_wheel_holds_the_package_the_templates_and_nothing_else(wheel: Path, project: Path) -> None:
    names = set(contents(wheel))
    info = {name for name in names if re.match(r"rollstep-[^/]+\.dist-info/", name)}
    expected = {re.sub("^templates/", "renderer/templates/", name) for name in kept(project, "renderer", "templates")}
    assert names - info == expected
    assert "renderer/py.typed" in names
    assert any(name.startswith("renderer/templates/") for name in names)
    assert any(name.endswith("/licenses/LICENSE") for name in info)


def test_the_wheel_of_the_sdist_is_the_wheel_of_the_checkout(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    run("tar", "-xf", sdist, cwd=tmp_path)
    (source,) = tmp_path.iterdir()
    build(["--wheel"], source, tmp_path / "dist")
    assert contents(next((tmp_path / "dist").iterdir())) == contents(wheel)


def test_the_sdist_can_be_tested(sdist: Path, project: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert kept(project, "docs", "environments", "renderer", "templates", "tests", "Makefile", "rollstep.yaml") <= names


def test_the_metadata_say_what_is_needed(wheel: Path, metadata: dict[str, Any]) -> None:
    files = contents(wheel)
    (told,) = [message_from_bytes(data) for name, data in files.items() if name.endswith(".dist-info/METADATA")]
    assert told["Name"] == "rollstep"
    assert told["License-Expression"] == "Apache-2.0"
    assert told["Requires-Python"] == ">=3.11"
    needed = [text for text in told.get_all("Requires-Dist", []) if "extra ==" not in text]
    assert len(needed) == len(metadata["project"]["dependencies"])


def test_each_import_has_a_dependency_and_each_dependency_an_import(project: Path, metadata: dict[str, Any]) -> None:
    declared = {re.split("[<>=!~ ]", text)[0].lower() for text in metadata["project"]["dependencies"]}
    assert declared == LIBRARIES.keys()
    imported = set()
    for path in (project / "renderer").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    foreign = imported - sys.stdlib_module_names - {"renderer"}
    # Who renders with Dask's workers, or asks AWS, asks for the extra, and everybody else is told what it is.
    assert foreign == {name for name in LIBRARIES.values() if name} | {"botocore", "distributed"}
    for extra, library in (("aws", "botocore"), ("dask", "distributed")):
        assert [text.partition(">")[0] for text in metadata["project"]["optional-dependencies"][extra]] == [library]


def test_development_tools_are_pinned(metadata: dict[str, Any]) -> None:
    tools = metadata["project"]["optional-dependencies"]["dev"]
    assert [tool for tool in tools if not re.fullmatch(r"[\w.-]+==[\w.]+", tool)] == []


def test_all_that_is_installed_is_pinned_with_hashes(project: Path, metadata: dict[str, Any]) -> None:
    names = ("requirements.txt", "requirements-dev.txt", "requirements-fuzz.txt", "requirements-docs.txt")
    runtime, development, fuzzing, documentation = (pins(project / name) for name in names)
    for more in (development, fuzzing, documentation):
        assert runtime.keys() <= more.keys()
        assert all(runtime[name] == more[name] for name in runtime)
    groups = metadata["project"]["optional-dependencies"]
    for needed, found in (
        (metadata["project"]["dependencies"], runtime),
        (groups["dev"], development),
        (groups["fuzz"], fuzzing),
        (groups["docs"], documentation),
    ):
        for requirement in map(Requirement, needed):
            version, hashes = found[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), f"{requirement}: run `make lock`"
            assert hashes
    (backend,) = map(Requirement, metadata["build-system"]["requires"])
    assert backend.specifier.contains(development[backend.name][0])


def test_the_wheel_lists_what_it_runs_with(wheel: Path, project: Path) -> None:
    (told,) = [data for name, data in contents(wheel).items() if name.endswith(".dist-info/sboms/sbom.cdx.json")]
    listed = {
        component["name"]: (
            component["version"],
            {found["content"] for place in component["externalReferences"] for found in place["hashes"]},
        )
        for component in json.loads(told)["components"]
    }
    assert listed == pins(project / "requirements.txt"), "run `make lock`"


def pins(path: Path) -> dict[str, tuple[str, set[str]]]:
    """Return the version and the hashes of each package; fail where a line has no hash."""
    found = {}
    for line in re.sub(r"\\\n\s*|\s*#.*", " ", path.read_text(encoding="utf-8")).splitlines():
        if line.strip():
            pinned = re.match(r"([a-z0-9-]+)==(\S+)(?: ;[^-]*)?((?:\s*--hash=sha256:[0-9a-f]{64})+)\s*$", line)
            assert pinned, line
            found[pinned[1]] = pinned[2], set(re.findall("[0-9a-f]{64}", pinned[3]))
    return found


def test_the_installed_command_runs_outside_the_checkout(installed: Path, project: Path, tmp_path: Path) -> None:
    where = run(installed / "bin" / "python", "-c", "import renderer; print(renderer.__file__)", cwd=tmp_path).strip()
    assert Path(where).is_relative_to(installed)
    assert not Path(where).is_relative_to(project)
    from renderer import __version__

    assert __version__ in rollstep(installed, "--version", cwd=tmp_path)
    assert "advance" in rollstep(installed, "--help", cwd=tmp_path)


def test_every_verb_is_installed(installed: Path, tmp_path: Path) -> None:
    from renderer.cli.main import VERBS

    for verb in VERBS:
        assert f"rollstep {verb}" in rollstep(installed, verb, "--help", cwd=tmp_path)


def test_the_installed_command_renders_and_validates_the_example(
    installed: Path, project: Path, tmp_path: Path
) -> None:
    shutil.copytree(project / "environments", tmp_path / "environments")
    shutil.copy(project / "rollstep.yaml", tmp_path)
    run("git", "init", "--quiet", tmp_path)
    run("git", "-C", tmp_path, "add", ".")
    run("git", "-C", tmp_path, "commit", "--quiet", "--message", "Start")
    rollstep(installed, "render", "--check", cwd=tmp_path)
    rendered = sorted(tmp_path.glob("environments/*/*/rendered/*service*.yaml"))[0]
    before = rendered.read_text(encoding="utf-8")
    rendered.write_text(before.replace("port: 80", "port: 81", 1), encoding="utf-8")
    done = subprocess.run(
        [installed / "bin" / "rollstep", "render", "--check"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "port: 81" in done.stdout + done.stderr
    rollstep(installed, "render", cwd=tmp_path)
    assert rendered.read_text(encoding="utf-8") == before


def test_the_installed_package_validates_without_kubeconform(installed: Path, project: Path, tmp_path: Path) -> None:
    program = """if True:
        from pathlib import Path
        from renderer.pipeline.validate.manifests import validate
        text = Path("valid.yaml").read_text(encoding="utf-8")
        for wrong in ("", "typo: 1"):
            validation = validate({"a": text + wrong}, "1.34")
            print(validation.validator, len(validation.findings))
    """
    (tmp_path / "valid.yaml").write_bytes((project / "tests/data/validate/valid.yaml").read_bytes())
    environment = {"HOME": str(tmp_path), "PATH": str(tmp_path)}
    told = run(installed / "bin" / "python", "-c", program, cwd=tmp_path, env=environment)
    assert told == "built-in 0\nbuilt-in 1\n"


def test_each_hook_is_a_command_that_there_is(installed: Path, project: Path, tmp_path: Path) -> None:
    hooks = yaml.safe_load((project / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert [hook["id"] for hook in hooks] == ["rollstep-render", "rollstep-check", "rollstep-lint"]
    for hook in hooks:
        command, *arguments = hook["entry"].split()
        assert command == "rollstep"
        help_text = rollstep(installed, arguments[0], "--help", cwd=tmp_path)
        assert all(option in help_text for option in arguments[1:])
        # Once for the whole repository: no pattern follows the sources, and no finding comes twice.
        assert "files" not in hook
        assert (hook["always_run"], hook["pass_filenames"], hook["require_serial"]) == (True, False, True)
        assert {"pre-commit", "pre-merge-commit"} <= set(hook["stages"])


def test_the_containerfile_has_all_that_the_wheel_is_built_from(project: Path, wheel: Path, tmp_path: Path) -> None:
    text = (project / "Containerfile").read_text(encoding="utf-8")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    assert [word for word, _ in lines if word not in ("FROM", "RUN", "COPY", "WORKDIR", "CMD")] == []
    tracked = kept(project)
    for *sources, target in (rest.split() for word, rest in lines if word == "COPY"):
        for source in sources:
            files = {name for name in tracked if name == source or name.startswith(f"{source}/")}
            assert files, f"COPY {source}: there is no such file"
            for name in files:
                place = tmp_path / "image" / target / name.removeprefix(source).lstrip("/")
                place = place / Path(source).name if name == source else place
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes((project / name).read_bytes())
    build(["--wheel"], tmp_path / "image", tmp_path / "dist")
    assert contents(next((tmp_path / "dist").iterdir())) == contents(wheel)
    apt, *pips = (rest for word, rest in lines if word == "RUN")
    assert re.fullmatch(r"apt-get update && apt-get install [\w -]+ && rm -rf /var/lib/apt/lists/\*", apt)
    # The commands of the action, which a test runs.
    action = (project / "action.yml").read_text(encoding="utf-8")
    here = action.replace('"$GITHUB_ACTION_PATH/requirements.txt"', "requirements.txt").replace(
        '"$GITHUB_ACTION_PATH"', "."
    )
    assert [pip.replace("--no-cache-dir", "--quiet") for pip in pips] == re.findall(r"python -m pip .*", here)
    python = re.search(r"FROM python:(3\.\d+)-slim", text)
    assert python
    assert f'default: "{python[1]}"' in action


def test_make_lists_its_targets(project: Path) -> None:
    listed = run("make", "-C", project, "--no-print-directory")
    assert {"demo", "test", "lint", "bench", "e2e", "docs", "release-check"} <= set(
        re.findall(r"^make (\S+)", listed, re.MULTILINE)
    )


def test_make_says_that_there_is_no_python(project: Path, tmp_path: Path) -> None:
    make = shutil.which("make")
    assert make
    (tmp_path / "Makefile").write_bytes((project / "Makefile").read_bytes())
    for name in ("pyproject.toml", "requirements.txt"):
        (tmp_path / name).touch()
    environment = {"PATH": str(tmp_path)}
    done = subprocess.run([make, "demo"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "No Python 3.11 or newer with the venv module is on PATH" in done.stderr
    assert not (tmp_path / ".venv").exists()
