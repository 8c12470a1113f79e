from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.read_objects import SourceText, read_objects
from renderer.pipeline.load import ALLOW_EXEC
from renderer.pipeline.load.app import App, load_app, load_files, load_texts
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.files import Folder
from renderer.pipeline.load.settings import AppSettings, load_settings

ROLLOUT = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata:
  name: web
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "registry.example.com/web:1"}]}
  strategy:
    canary: {steps: [{setWeight: 20}]}
"""
CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: a
"""


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def load(root: Path) -> App:
    ref = AppRef("prod", "web", root / "environments/prod/web")
    return load_app(ref, load_settings(root), Folder(root))


def load_stream(text: str, file: str, settings: AppSettings) -> App:
    return load_texts([SourceText(file, None, text)], settings)


def findings(root: Path) -> list[Finding]:
    with pytest.raises(RollstepError) as error:
        load(root)
    return list(error.value.findings)


HOOK = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: probe, annotations: {helm.sh/hook: test}}\n"


def test_the_hooks_of_helm_that_a_command_prints_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(ALLOW_EXEC, "1")
    argv = [sys.executable, "-c", "print(open('made.yaml').read())"]
    write(tmp_path, {"made.yaml": ROLLOUT + HOOK, "rollstep.yaml": f"defaults: {{source: {{exec: {argv}}}}}\n"})
    app = load(tmp_path)
    assert app.manifests == ()
    assert [note.message for note in app.notes] == ["the Pod probe is a Helm hook: left out"]


def test_a_hook_in_a_file_of_the_users_stays(tmp_path: Path):
    write(tmp_path, {"environments/prod/web/web.yaml": ROLLOUT + HOOK})
    app = load(tmp_path)
    assert [manifest.name for manifest in app.manifests] == ["probe"]
    assert app.notes == ()


def test_a_command_that_prints_a_deployment_alone_is_told_to_print_a_rollout_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(ALLOW_EXEC, "1")
    text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: front}\n"
    argv = [sys.executable, "-c", f"print({text!r})"]
    write(tmp_path, {"rollstep.yaml": f"defaults: {{source: {{exec: {json.dumps(argv)}}}}}\n"})
    with pytest.raises(RollstepError) as caught:
        load(tmp_path)
    assert "workloadRef: {apiVersion: apps/v1, kind: Deployment, name: front}" in caught.value.findings[0].hint


def test_an_app_of_several_files_and_documents(tmp_path: Path):
    write(
        tmp_path,
        {
            "environments/prod/web/b.yaml": f"# nothing\n---\n{CONFIG_MAP}---\n---\n{ROLLOUT}",
            "environments/prod/web/a.json": '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}',
        },
    )
    app = load(tmp_path)
    folder = tmp_path / "environments/prod/web"
    assert app.ref == AppRef("prod", "web", folder)
    assert app.rollout.body["spec"]["strategy"] == {"canary": {"steps": [{"setWeight": 20}]}}
    assert "namespace" not in app.rollout.body["metadata"]
    assert app.places[app.rollout.key] == (folder / "b.yaml", 1)
    assert [(manifest.kind, manifest.name) for manifest in app.manifests] == [("Secret", "s"), ("ConfigMap", "a")]
    assert app.files == (folder / "a.json", folder / "b.yaml")
    assert app.rollout.source.file == "environments/prod/web/b.yaml"
    assert app.rollout.source.position(("spec", "strategy"))[0] == 18


def test_the_index_of_the_rollout_is_the_one_that_edits_take(tmp_path: Path):
    from renderer.kubernetes.yaml.editor import edit

    write(tmp_path, {"environments/prod/web/b.yaml": f"---\n# empty\n---\n{CONFIG_MAP}---\n---\n{ROLLOUT}"})
    app = load(tmp_path)
    file, index = app.places[app.rollout.key]
    text = file.read_text(encoding="utf-8")
    edited = edit(text, index, {("spec", "strategy", "canary", "steps", 0, "setWeight"): 30}, "b.yaml")
    assert edited == text.replace("setWeight: 20", "setWeight: 30")


def test_a_rollout_of_a_template_a_list_or_a_command_has_no_file_to_edit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write(tmp_path, {"environments/prod/web/web.yaml.j2": ROLLOUT})
    assert load(tmp_path).places == {}
    items = "".join(f"  {line}\n" for line in ROLLOUT.splitlines())
    write(tmp_path, {"environments/prod/web/web.yaml.j2": f"apiVersion: v1\nkind: List\nitems:\n- {items.strip()}\n"})
    (tmp_path / "environments/prod/web/web.yaml.j2").rename(tmp_path / "environments/prod/web/web.yaml")
    assert load(tmp_path).places == {}
    monkeypatch.setenv("ROLLSTEP_ALLOW_EXEC", "1")
    argv = [sys.executable, "-c", "print(open('made.yaml').read())"]
    write(tmp_path, {"made.yaml": ROLLOUT, "rollstep.yaml": f"defaults: {{source: {{exec: {argv}}}}}\n"})
    app = load(tmp_path)
    assert app.places == {}
    assert app.rollout.name == "web"


def test_a_list_counts_as_its_items_and_their_places_are_known():
    text = f"{ROLLOUT}---\napiVersion: v1\nkind: List\nitems:\n- kind: ConfigMapList\n  apiVersion: v1\n  items:\n  - "
    text += "\n    ".join(CONFIG_MAP.splitlines())
    app = load_stream(text, "<stdin>", AppSettings())
    (manifest,) = app.manifests
    assert (manifest.kind, manifest.name) == ("ConfigMap", "a")
    assert manifest.source.position(("metadata", "name")) == (22, 7)
    assert manifest.source.position(()) == (19, 5)
    _, findings = read_objects([SourceText("<stdin>", None, "kind: List\napiVersion: v1\nitems:\n- kind: A\n")])
    assert any(finding.text().startswith("<stdin>:4:3: metadata.name: missing") for finding in findings)


def test_a_configured_namespace_fills_in_a_missing_one(tmp_path: Path):
    others = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: there, namespace: other}\n---\n"
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r}\n---\n"
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n"
        "apiVersion: example.com/v1\nkind: Namespace\nmetadata: {name: mine}\n"
    )
    write(
        tmp_path,
        {
            "environments/prod/web/web.yaml": f"{ROLLOUT}---\n{CONFIG_MAP}---\n{others}",
            "rollstep.yaml": "environments: {prod: {namespace: shop}}\n",
        },
    )
    app = load(tmp_path)
    assert app.rollout.namespace == "shop"
    assert [(manifest.kind, manifest.namespace) for manifest in app.manifests] == [
        ("ConfigMap", "shop"),
        ("ConfigMap", "other"),
        ("ClusterRole", ""),
        ("Namespace", ""),
        ("Namespace", "shop"),
    ]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("- a\n", "x.yaml:1:1: is not a Kubernetes object: expected a mapping, found a list"),
        ("text\n", "x.yaml:1:1: is not a Kubernetes object: expected a mapping, found text"),
        ("a: 1\n", "x.yaml:1:1: apiVersion: missing"),
        ("apiVersion: v1\nkind: 1\nmetadata: {name: a}\n", "x.yaml:2:1: kind: expected text, found 1"),
        ("apiVersion: v1\nkind: A\nmetadata:\n  name: 1e3\n", "x.yaml:4:3: metadata.name: expected text, found 1000"),
        ("apiVersion: v1\nkind: A\nmetadata: {generateName: a-}\n", "generateName cannot be rendered into git"),
        ("apiVersion: v1\nkind: A\nmetadata: {name: a, namespace: 1}\n", "metadata.namespace: expected text, found 1"),
        ("apiVersion: v1\nkind: A\nmetadata: []\n", "metadata.name: missing"),
        ("a: [\n", "is not YAML"),
    ],
)
def test_a_document_that_is_no_object_is_a_finding(document: str, expected: str):
    with pytest.raises(RollstepError) as error:
        load_stream(document, "x.yaml", AppSettings())
    assert expected in error.value.findings[0].text()


def test_findings_of_all_files_come_at_once(tmp_path: Path):
    write(
        tmp_path,
        {
            "environments/prod/web/a.yaml": "a: [\n",
            "environments/prod/web/b.yaml": "kind: A\n",
            "environments/prod/web/c.yaml": "text\n",
        },
    )
    assert {finding.file for finding in findings(tmp_path)} == {f"environments/prod/web/{name}.yaml" for name in "abc"}


def test_no_rollout(tmp_path: Path):
    write(tmp_path, {"environments/prod/web/a.yaml": CONFIG_MAP})
    (finding,) = findings(tmp_path)
    assert finding.file == "environments/prod/web"
    assert "has no Rollout" in finding.message


def test_a_rollout_of_another_api_group_does_not_count():
    with pytest.raises(RollstepError, match="has no Rollout"):
        load_stream(ROLLOUT.replace("argoproj.io", "rollouts.example.com"), "x.yaml", AppSettings())


def test_a_deployment_in_place_of_a_rollout_leads_to_init():
    with pytest.raises(RollstepError) as error:
        load_stream("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n", "x.yaml", AppSettings())
    (finding,) = error.value.findings
    assert (finding.file, finding.line) == ("x.yaml", 1)
    assert "rollstep init" in finding.hint


def test_several_rollouts_are_named_with_both_places(tmp_path: Path):
    write(
        tmp_path,
        {
            "environments/prod/web/a.yaml": f"{CONFIG_MAP}---\n{ROLLOUT}",
            "environments/prod/web/b.yaml": ROLLOUT.replace("name: web", "name: api"),
        },
    )
    first, second = findings(tmp_path)
    assert (first.file, first.line) == ("environments/prod/web/a.yaml", 6)
    assert "environments/prod/web/b.yaml:1" in first.message
    assert (second.file, second.line) == ("environments/prod/web/b.yaml", 1)
    assert "environments/prod/web/a.yaml:6" in second.message


def test_an_object_that_is_there_twice_is_named_with_both_places(tmp_path: Path):
    write(
        tmp_path,
        {
            "environments/prod/web/a.yaml": f"{ROLLOUT}---\n{CONFIG_MAP}",
            "environments/prod/web/b.yaml": f"{CONFIG_MAP}  namespace: other\n---\n{CONFIG_MAP}",
        },
    )
    (finding,) = findings(tmp_path)
    assert (finding.file, finding.line) == ("environments/prod/web/b.yaml", 7)
    assert "environments/prod/web/a.yaml:13" in finding.message


def test_the_rollouts_namespace_is_that_of_an_object_without_one():
    rollout = ROLLOUT.replace("name: web", "name: web\n  namespace: shop", 1)
    with pytest.raises(RollstepError, match="is there twice"):
        load_stream(f"{rollout}---\n{CONFIG_MAP}---\n{CONFIG_MAP}  namespace: shop\n", "x.yaml", AppSettings())


def test_another_version_of_an_object_is_the_same_object():
    ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\n"
    old = ingress.replace("/v1", "/v1beta1")
    with pytest.raises(RollstepError, match="is there twice"):
        load_stream(f"{ROLLOUT}---\n{ingress}---\n{old}", "x.yaml", AppSettings())


def test_the_findings_of_the_checks_are_raised_too(tmp_path: Path):
    wrong = ROLLOUT.replace("setWeight: 20", "setWeight: 120").replace("steps:", "stableService: nope, steps:")
    write(tmp_path, {"environments/prod/web/a.yaml": f"{wrong}---\n{CONFIG_MAP}---\n{CONFIG_MAP}"})
    assert [finding.field for finding in findings(tmp_path)] == [
        "",
        "spec.strategy.canary.stableService",
        "spec.strategy.steps[0].setWeight",
    ]


def test_a_stream_takes_the_rollouts_name_and_the_settings_namespace():
    app = load_stream(ROLLOUT, "<stdin>", AppSettings(namespace="shop"))
    assert app.ref == AppRef("", "web", Path())
    assert app.rollout.namespace == "shop"
    assert (app.places, app.files) == ({}, ())


def test_files_can_be_edited_and_a_dash_is_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path, {"rollout.yaml": ROLLOUT})
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CONFIG_MAP.encode())))
    app = load_files(str(tmp_path), ["rollout.yaml", "-"], AppSettings())
    assert app.rollout.source.file == "rollout.yaml"
    assert app.places == {app.rollout.key: (tmp_path / "rollout.yaml", 0)}
    assert app.files == (tmp_path / "rollout.yaml",)
    assert [manifest.source.file for manifest in app.manifests] == ["<stdin>"]


def test_files_that_cannot_be_read_are_all_named(tmp_path: Path):
    (tmp_path / "b.yaml").write_bytes(b"\xff")
    with pytest.raises(RollstepError) as error:
        load_files(str(tmp_path), ["a.yaml", "b.yaml"], AppSettings())
    assert [finding.file for finding in error.value.findings] == ["a.yaml", "b.yaml"]


def test_json_may_write_a_character_as_a_pair_of_escapes():
    text = '{"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}, "data": ["\\ud83d\\ude00", 1.0, 2.5]}'
    ((loaded,), _) = read_objects([SourceText("a.json", None, text)])
    assert loaded.manifest.body["data"] == ["\U0001f600", 1, 2.5]
    assert [type(item) for item in loaded.manifest.body["data"]] == [str, int, float]


@pytest.mark.parametrize(
    "value", ['"\\ud83d"', '"\\ud83d\\ude00", "kind": "B"', '"\\ud83d\\ude00", "b": NaN', '"\\ud83d\\ude00"}, {']
)
def test_text_that_is_neither_yaml_nor_json_is_refused(value: str):
    text = f'{{"apiVersion": "v1", "kind": "A", "metadata": {{"name": "a"}}, "data": {value}}}'
    loaded, (finding,) = read_objects([SourceText("a.json", None, text)])
    assert loaded == []
    assert (finding.file, finding.line) == ("a.json", 1)
    assert "is not YAML" in finding.message


def test_a_finding_about_thousands_of_rollouts_stays_short():
    text = "---\napiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: a}\n" * 1000
    with pytest.raises(RollstepError) as caught:
        load_stream(text, "many.yaml", AppSettings())
    findings = caught.value.findings
    assert len(findings) == 1000
    assert "another Rollout at many.yaml:2 and many.yaml:6 and many.yaml:10 and 996 more" in findings[-1].message
    assert max(len(finding.message) for finding in findings) < 200
