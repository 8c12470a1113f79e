from __future__ import annotations

import copy
import json
import multiprocessing
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from renderer.errors import RollstepError
from renderer.pipeline.validate import builtin, install, schemas
from renderer.pipeline.validate import kubeconform as binary
from renderer.pipeline.validate.manifests import Validation, validate

VERSION = "1.34"
SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  ports:
    - port: 80
      targetPort: http
"""


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(params=["kubeconform", "built-in"])
def validator(request: pytest.FixtureRequest, kubeconform: str) -> str:
    return kubeconform if request.param == "kubeconform" else "built-in"


@pytest.fixture(scope="session")
def valid(project: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((project / "tests/data/validate/valid.yaml").read_text(encoding="utf-8")))


def judge(text: str, validator: str, cache: Path, version: str = VERSION) -> Validation:
    return validate({"rendered/web.yaml": text}, version, kubeconform=validator, cache=cache)


def fields(validation: Validation) -> list[tuple[str, str]]:
    return [(finding.field, finding.message) for finding in validation.findings]


@pytest.mark.parametrize("version", schemas.kubernetes_versions())
def test_valid_manifests_of_every_version_pass(
    version: str, validator: str, cache: Path, valid: list[dict[str, Any]]
) -> None:
    validation = judge("---\n".join(json.dumps(body) + "\n" for body in valid), validator, cache, version)
    assert validation == Validation((), (), validator)
    validation.require()


def test_an_unknown_field_is_found_where_it_is(validator: str, cache: Path) -> None:
    validation = judge(SERVICE.replace("targetPort", "targetport"), validator, cache)
    (finding,) = validation.findings
    assert finding.text() == (
        "rendered/web.yaml:8:7: spec.ports[0].targetport: unknown field (did you mean targetPort?)"
    )
    with pytest.raises(RollstepError, match="targetport"):
        validation.require()


@pytest.mark.parametrize(
    ("was", "becomes", "expected"),
    [
        ("port: 80", "port: '80'", [("spec.ports[0].port", "is a string, expected integer")]),
        ("    - port: 80\n      target", "    - target", [("spec.ports[0]", "port is missing")]),
        (
            "targetPort: http",
            "targetPort: [1]",
            [("spec.ports[0].targetPort", "is a list, expected string or integer")],
        ),
        ("kind: Service", "kind: service", [("kind", "is 'service', expected 'Service'")]),
        ("kind: Service", "kind: ''", [("", "kind is missing")]),
        ("apiVersion: v1\n", "", [("", "apiVersion is missing")]),
        (
            "name: web\nspec:",
            "name: web\n  labels: {a: 1, b: true}\nspec:\n  typo: 1",
            [
                ("metadata.labels.a", "is a number, expected string"),
                ("metadata.labels.b", "is a boolean, expected string"),
                ("spec.typo", "unknown field"),
            ],
        ),
    ],
)
def test_everything_wrong_is_told_at_once(
    was: str, becomes: str, expected: list[tuple[str, str]], validator: str, cache: Path
) -> None:
    assert was in SERVICE
    assert fields(judge(SERVICE.replace(was, becomes), validator, cache)) == expected


@pytest.mark.parametrize("text", ["a: [", SERVICE + "kind: Service\n", "- 1\n", "web\n"])
def test_what_is_no_object_is_refused(text: str, validator: str, cache: Path) -> None:
    assert judge(text, validator, cache).findings


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n"])
def test_an_empty_document_is_right(text: str, validator: str, cache: Path) -> None:
    assert judge(text, validator, cache) == Validation((), (), validator)


def test_a_value_is_never_told(validator: str, cache: Path, valid: list[dict[str, Any]]) -> None:
    secret = next(copy.deepcopy(body) for body in valid if body["kind"] == "Secret")
    secret["stringData"] = {"password": ["hunter2"], "key": {"hunter2": 1}}
    secret["data"] = "hunter2"
    validation = judge(json.dumps(secret), validator, cache)
    assert len(validation.findings) == 3
    assert "hunter2" not in repr(validation)


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("monitoring.coreos.com/v1", "ServiceMonitor"),
        ("argoproj.io/v1alpha1", "AnalysisTemplate"),
        ("apps.example.com/v1", "Deployment"),  # not the Deployment of the group `apps`
        ("networking.istio.io/v1", "Ingress"),
        ("v2", "Service"),
    ],
)
def test_a_kind_without_schema_is_skipped_and_told(api_version: str, kind: str, validator: str, cache: Path) -> None:
    text = json.dumps({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": {"any": 1}})
    validation = judge(text, validator, cache)
    assert validation.findings == ()
    (note,) = validation.skipped
    assert note.file == "rendered/web.yaml"
    assert note.message == f"not validated: Kubernetes 1.34 has no {api_version} {kind}, so there is no schema"


@pytest.mark.parametrize(
    ("head", "field", "message"),
    [
        ({"apiVersion": 1}, "apiVersion", "is a number, expected string"),
        ({"kind": 1}, "kind", "is a number, expected string"),
        ({"apiVersion": "../../v1"}, "apiVersion", "cannot be the version of an API"),
        ({"apiVersion": "v" * 300}, "apiVersion", "cannot be the version of an API"),
        ({"apiVersion": "a/b/v1"}, "apiVersion", "cannot be the version of an API"),
        ({"apiVersion": "%s/v1"}, "apiVersion", "cannot be the version of an API"),
        ({"kind": "../Service"}, "kind", "cannot be the name of a kind"),
        ({"kind": "x" * 300}, "kind", "cannot be the name of a kind"),
        ({"kind": "{{ .Kind }}"}, "kind", "cannot be the name of a kind"),
        ({"kind": "Unknown", "metadata": {"name": {"a": 1}}}, "metadata.name", "is a object, expected string"),
        ({"kind": "Unknown", "metadata": ["a"]}, "metadata", "is a list, expected object"),
    ],
)
def test_what_no_object_can_be_is_refused_and_not_skipped(
    head: dict[str, Any], field: str, message: str, validator: str, cache: Path
) -> None:
    text = json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, **head})
    assert fields(judge(text, validator, cache)) == [(field, message)]


def test_a_kustomization_is_no_object(validator: str, cache: Path) -> None:
    text = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [web.yaml]\n"
    assert judge(text, validator, cache) == Validation((), (), validator)


def test_the_items_of_a_list_are_judged(validator: str, cache: Path) -> None:
    wrong = yaml.safe_load(SERVICE) | {"typo": 1}
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(SERVICE), wrong]})
    assert fields(judge(text, validator, cache)) == [("items[1].typo", "unknown field")]


def test_files_keep_their_names_and_order(validator: str, cache: Path) -> None:
    wrong = SERVICE + "typo: 1\n"
    files = {f"{number}/%41 {{{{x}}}} ü.yaml": wrong if number % 2 else SERVICE for number in range(9, -1, -1)}
    validation = validate(files, VERSION, kubeconform=validator, cache=cache)
    assert [finding.file for finding in validation.findings] == [name for name in files if files[name] is wrong]


def test_nothing_to_judge_is_right(validator: str, cache: Path) -> None:
    assert validate({}, VERSION, kubeconform=validator, cache=cache).findings == ()


def mutants(value: Any) -> Iterator[Any]:
    """Yield ``value`` with each of its parts removed, replaced by each other type, or added to."""
    yield from (None, "a", "1", 1, 1.0, 1.5, True, [], ["a"], {}, {"a": 1})
    if isinstance(value, dict):
        for key in value:
            yield {name: part for name, part in value.items() if name != key}
            for part in mutants(value[key]):
                yield {**value, key: part}
        yield {**value, "bogus": 1}
    if isinstance(value, list):
        for index, item in enumerate(value):
            for part in mutants(item):
                yield [*value[:index], part, *value[index + 1 :]]


def test_both_validators_come_to_the_same_verdicts(kubeconform: str, cache: Path, valid: list[dict[str, Any]]) -> None:
    parts = [(body, key) for body in valid for key in body if key not in ("apiVersion", "kind")]
    cases = [{**body, key: mutant} for body, key in parts for mutant in mutants(body[key])]
    files = {f"{number}.yaml": json.dumps(case) for number, case in enumerate(cases)}
    folder = schemas.schema_folder(VERSION, cache)
    expected = {verdict.file: verdict.status for verdict in binary.run_kubeconform(kubeconform, files, folder)}
    found = {document.verdict.file: document.verdict.status for document in builtin.check(files, folder)}
    assert len(expected) == len(files) > 2000
    assert {"valid", "invalid"} == set(expected.values())
    assert [files[name] for name in files if found[name] != expected[name]] == []


TEXTS = [
    SERVICE,
    "",
    "# nothing\n",
    SERVICE.replace("targetPort", "targetport"),
    f"---\n{SERVICE}---\n{SERVICE.replace('web', 'other')}",
    f"{SERVICE}---\n",
    f"{SERVICE}---",
    f"%YAML 1.1\n---\n{SERVICE}",
    "a: [",
    "- 1\n",
    "apiVersion: v1\nkind: List\nitems: []\n",
    json.dumps({"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(SERVICE)] * 3}),
    'apiVersion: v1\n"kind": "Li\\x73t"\nitems:\n- ' + SERVICE.replace("\n", "\n  ").rstrip() + "\n",
    "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nkind: List\n",
    "apiVersion: v1\nmetadata: &List {name: a}\nkind: *List\n",
    "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\n",
    "apiVersion: rollstep.boundary/v1\nkind: Boundary\nmetadata: {name: b}\n",
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  text: |\n    ---\n    kind: Service\n",
    SERVICE.replace("\n", "\r\n"),
    SERVICE.rstrip(),
    f"\ufeff{SERVICE}",
    SERVICE + "...\n",
]


@pytest.mark.parametrize("worth", [1, 1000])
def test_texts_that_are_judged_together_are_judged_as_each_alone(
    worth: int, kubeconform: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binary, "WORTH_A_PROCESS", worth)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    folder = schemas.schema_folder(VERSION, cache)
    files = {f"{number:02}.yaml": text for number, text in enumerate([*TEXTS, *reversed(TEXTS)])}
    together = binary.run_kubeconform(kubeconform, files, folder)
    alone = tmp_path / "alone"
    alone.mkdir()
    for name, text in files.items():
        (alone / name).write_text(text, encoding="utf-8", newline="")
    command = [kubeconform, "-strict", "-verbose", "-output", "json", "-ignore-missing-schemas"]
    command += ["-schema-location", binary.LOCATION, str(alone)]
    told = json.loads(subprocess.run(command, cwd=folder, capture_output=True, check=False).stdout)["resources"]
    expected = [
        (Path(each["filename"]).name, each["kind"], each["name"], binary.STATUSES[each["status"]], each["msg"])
        for each in told
    ]
    found = [(each.file, each.kind, each.name, each.status, each.message) for each in together]
    assert [each for each in found if each not in expected] == []
    assert sorted(found) == sorted(expected)


def test_each_refusal_of_kubeconform_is_explained(
    kubeconform: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fields(judge(SERVICE + "kind: Service\n", kubeconform, cache))
    monkeypatch.setattr(builtin, "check", lambda *_: iter(()))
    (finding,) = judge(SERVICE + "kind: Service\n", kubeconform, cache).findings
    assert (finding.file, finding.line) == ("rendered/web.yaml", 9)
    assert 'key "kind" already set in map' in finding.message


@pytest.mark.parametrize("version", [schemas.kubernetes_versions()[0], VERSION, schemas.kubernetes_versions()[-1]])
def test_every_schema_compiles(version: str, kubeconform: str, cache: Path) -> None:
    # Of a schema that it cannot compile, kubeconform says "skipped".
    folder = schemas.schema_folder(version, cache)
    objects = {}
    for path in sorted(folder.glob("*/*.json")):
        properties = json.loads(path.read_bytes())["properties"]
        (api_version,), (kind,) = properties["apiVersion"]["enum"], properties["kind"]["enum"]
        assert folder / schemas.schema_path(api_version, kind) == path
        objects[f"{api_version}/{kind}"] = json.dumps({"apiVersion": api_version, "kind": kind})
    verdicts = binary.run_kubeconform(kubeconform, objects, folder)
    assert len(verdicts) > 100
    assert [verdict for verdict in verdicts if verdict.status == "skipped"] == []


def test_a_schema_that_kubeconform_cannot_read_is_not_passed_over(kubeconform: str, tmp_path: Path) -> None:
    folder = schemas.schema_folder(VERSION, tmp_path)
    (folder / "v1" / "service-v1.json").write_text('{"$ref": "/nowhere.json"}', encoding="utf-8")
    with pytest.raises(RollstepError, match=r"cannot read the schema .*service-v1.json"):
        judge(SERVICE, kubeconform, tmp_path)


def test_schemas_are_the_same_whoever_makes_them(tmp_path: Path) -> None:
    first, second = (schemas.schema_folder(VERSION, tmp_path / name) for name in ("a", "b"))
    assert first.name == second.name
    names = sorted(path.relative_to(first) for path in first.rglob("*.json"))
    assert names == sorted(path.relative_to(second) for path in second.rglob("*.json"))
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)
    assert not any(b"_definitions" in (first / name).read_bytes() for name in names)


def test_processes_that_make_the_schemas_at_once_agree(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        folders = pool.starmap(schemas.schema_folder, [(VERSION, tmp_path)] * 4)
    assert len(set(folders)) == 1
    assert os.listdir(tmp_path / "schemas") == [folders[0].name]
    assert len(list(folders[0].rglob("*.json"))) > 150


def test_schemas_are_made_once(tmp_path: Path) -> None:
    folder = schemas.schema_folder(VERSION, tmp_path)
    marked = folder / "v1" / "service-v1.json"
    marked.write_text("{}", encoding="utf-8")
    assert schemas.schema_folder(f"v{VERSION}.7", tmp_path) == folder
    assert marked.read_text(encoding="utf-8") == "{}"


def test_a_cache_that_cannot_be_written_is_replaced_by_a_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file where the folder would be refuses everybody, root as well.
    (tmp_path / "cache").touch()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    folder = schemas.schema_folder(VERSION)
    assert folder.is_relative_to(tmp_path / "tmp")
    assert stat.S_IMODE(next((tmp_path / "tmp").iterdir()).stat().st_mode) == 0o700


def test_a_temporary_cache_that_others_can_write_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    shared = tmp_path / f"rollstep-{os.getuid()}"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(RollstepError, match=r"can be written nowhere.*XDG_CACHE_HOME"):
        schemas.schema_folder(VERSION)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"XDG_CACHE_HOME": "/var/cache/me", "HOME": "/home/me"}, "/var/cache/me/rollstep"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/home/me"}, "/home/me/.cache/rollstep"),
        ({"HOME": "/home/me"}, "/home/me/.cache/rollstep"),
    ],
)
def test_the_cache_is_where_the_user_keeps_caches(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert next(schemas.cache_folders()) == Path(expected)


@pytest.mark.parametrize("version", ["1.24", "1.99", "2.0", "latest", "", "1.34.1.2", "1.3"])
def test_a_version_without_schemas_is_refused(version: str, cache: Path) -> None:
    with pytest.raises(RollstepError, match=r"only of 1\.25 to 1\.\d+"):
        judge(SERVICE, "built-in", cache, version)


def test_versions_are_sorted_as_numbers() -> None:
    versions = schemas.kubernetes_versions()
    assert versions[:2] == ["1.25", "1.26"]
    assert versions == sorted(versions, key=lambda version: int(version.partition(".")[2]))


def test_a_program_that_does_not_exist_is_refused(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(
        RollstepError, match=r"no such program: .*/kubeconform .*python -m renderer.pipeline.validate.install"
    ):
        judge(SERVICE, str(tmp_path / "kubeconform"), cache)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo oops >&2; exit 3", r"\(exit code 3\) printed no results: oops"),
        ("echo '{}'", r"\(exit code 0\) printed no results$"),
        ("""echo '{"resources": []}'""", "skipped some of 1 files, such as rendered/web.yaml"),
    ],
)
def test_a_program_that_is_no_kubeconform_is_refused(script: str, message: str, cache: Path, tmp_path: Path) -> None:
    program = tmp_path / "kubeconform"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    with pytest.raises(RollstepError, match=message):
        judge(SERVICE, str(program), cache)


def test_a_program_of_another_machine_is_refused(cache: Path, tmp_path: Path) -> None:
    program = tmp_path / "kubeconform"
    program.write_bytes(b"\x7fELF nothing")
    program.chmod(0o755)
    with pytest.raises(RollstepError, match=r"kubeconform does not run: Exec format error"):
        judge(SERVICE, str(program), cache)


def test_kubeconform_is_found_on_the_path_last(
    kubeconform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path = tmp_path / "kubeconform"
    on_path.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert binary.find_kubeconform() == kubeconform
    monkeypatch.setattr(binary, "__file__", str(tmp_path / "site-packages/renderer/pipeline/validate/kubeconform.py"))
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path / "bin"))
    assert binary.find_kubeconform() == str(on_path)
    on_path.unlink()
    assert binary.find_kubeconform() is None


def test_without_kubeconform_the_built_in_validator_judges(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("renderer.pipeline.validate.manifests.find_kubeconform", lambda _: None)
    validation = validate({"a.yaml": SERVICE + "typo: 1\n"}, VERSION, cache=cache)
    assert validation.validator == "built-in"
    assert fields(validation) == [("typo", "unknown field")]


def test_the_kubeconform_that_is_used_is_the_one_that_is_pinned(kubeconform: str, project: Path) -> None:
    assert kubeconform == str(project / ".tools" / "bin" / "kubeconform")
    told = subprocess.run([kubeconform, "-v"], capture_output=True, text=True, check=True).stdout.strip()
    assert told == install.kubeconform_version()


def test_an_old_go_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install.go_on_path() is None
    go = tmp_path / "go"
    for version, usable in (("go1.19.8", False), ("go1.24", True), ("go2.0.1", True), ("devel", False)):
        go.write_text(f"#!/bin/sh\necho {version}\n", encoding="utf-8")
        go.chmod(0o755)
        assert (install.go_on_path() == str(go)) is usable


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho 'no space left on device' >&2\nexit 1\n", encoding="utf-8")
    go.chmod(0o755)
    with pytest.raises(RollstepError, match=r"Go cannot build kubeconform \(exit code 1\): no space left on device"):
        install.install(tmp_path / "bin", go=str(go))
    assert list((tmp_path / "bin").iterdir()) == []


def test_the_fixture_of_other_tests_refuses(assert_valid: Callable[..., None]) -> None:
    assert_valid({"a.yaml": SERVICE})
    with pytest.raises(AssertionError, match="unknown field"):
        assert_valid({"a.yaml": SERVICE + "typo: 1\n"})
    custom = {"b.yaml": "apiVersion: example.com/v1\nkind: Widget\n"}
    assert_valid(custom, skipped={"Widget"})
    with pytest.raises(AssertionError, match="Widget"):
        assert_valid(custom)
    with pytest.raises(AssertionError, match="nothing was rendered"):
        assert_valid({})
