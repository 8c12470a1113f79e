from __future__ import annotations

import copy
import shutil
import string
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.errors import RollstepError
from renderer.kubernetes.manifest import Body, Manifest, ObjectKey
from renderer.kubernetes.yaml.reader import load_documents
from renderer.pipeline.render.files import RenderContext, file_names, render

CONTEXT = RenderContext("web", "prod", "environments/prod/web")

REPLICA_SET: Body = {
    "spec": {
        "template": {
            "spec": {"containers": [{"name": "web", "image": "example.com/web:1", "args": ["no", "1e3", "0x1", "🚀"]}]},
            "metadata": {"labels": {"app": "web", "rollouts-pod-template-hash": "776569cbc6"}},
        },
        "selector": {"matchLabels": {"app": "web", "rollouts-pod-template-hash": "776569cbc6"}},
        "replicas": 2,
    },
    "metadata": {"labels": {"app": "web"}, "namespace": "prod", "name": "web-776569cbc6"},
    "kind": "ReplicaSet",
    "apiVersion": "apps/v1",
}
SERVICE: Body = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web-canary", "namespace": "prod"},
    "spec": {"ports": [{"port": 80}], "selector": {"app": "web"}},
}
INGRESS: Body = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": {"name": "web", "namespace": "prod", "annotations": {"nginx.ingress.kubernetes.io/canary": "true"}},
    "spec": {"rules": [{"host": "web.example.com"}], "ingressClassName": "nginx"},
}
CONFIG_MAP: Body = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "web", "namespace": "prod"},
    "data": {
        "script": "#!/bin/sh\n\n  echo {{ .Values }}\n\n\n",
        "{% raw %}": "{{ args.x }}",
        "nel": "a\x85b\u2028c\n d\n",
    },
}
ANALYSIS_TEMPLATE: Body = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "AnalysisTemplate",
    "metadata": {"name": "success-rate", "namespace": "prod"},
    "spec": {"metrics": [{"name": "rate", "successCondition": "result[0] >= {{args.limit}} {# no comment #}"}]},
}
OBJECTS = [REPLICA_SET, SERVICE, INGRESS, CONFIG_MAP, ANALYSIS_TEMPLATE]

names = st.text(st.sampled_from(string.ascii_letters + string.digits + "-._/:\\ é%\n"), min_size=1, max_size=6)
keys = st.builds(ObjectKey, st.sampled_from(["", "apps", "a.b"]), names, st.sampled_from(["", "x", "y"]), names)
texts = st.text(max_size=12) | st.sampled_from(
    ["no", "1e3", "0x1", "a\n b\n\n", "\n", "x\u2028y\n", "{{ x }}", "# x", "~"]
)
values = st.recursive(
    texts | st.none() | st.booleans() | st.integers(-(2**53), 2**53),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


def values_of(files: dict[str, str]) -> list[Any]:
    return [document.value for name in files for document in load_documents(files[name], name)]


def rendered(*objects: Body, templates: Path | None = None) -> dict[str, str]:
    return render(objects or OBJECTS, user_templates=templates, context=CONTEXT)


def template(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


def test_files_are_named_after_their_objects() -> None:
    assert list(rendered()) == [
        "analysistemplate-success-rate.yaml",
        "configmap-web.yaml",
        "ingress-web.yaml",
        "kustomization.yaml",
        "replicaset-web-776569cbc6.yaml",
        "service-web-canary.yaml",
    ]


def test_a_file_reads_like_a_manifest() -> None:
    assert rendered()["replicaset-web-776569cbc6.yaml"] == (
        "# Rendered by rollstep. Do not edit.\n"
        "apiVersion: apps/v1\n"
        "kind: ReplicaSet\n"
        "metadata:\n"
        "  name: web-776569cbc6\n"
        "  namespace: prod\n"
        "  labels:\n"
        "    app: web\n"
        "spec:\n"
        "  replicas: 2\n"
        "  selector:\n"
        "    matchLabels:\n"
        "      app: web\n"
        "      rollouts-pod-template-hash: 776569cbc6\n"
        "  template:\n"
        "    spec:\n"
        "      containers:\n"
        "      - name: web\n"
        "        image: example.com/web:1\n"
        "        args:\n"
        '        - "no"\n'
        '        - "1e3"\n'
        '        - "0x1"\n'
        "        - 🚀\n"
        "    metadata:\n"
        "      labels:\n"
        "        app: web\n"
        "        rollouts-pod-template-hash: 776569cbc6\n"
    )


def test_the_kustomization_lists_every_file_sorted() -> None:
    files = rendered()
    assert files["kustomization.yaml"] == (
        "# Rendered by rollstep. Do not edit.\n"
        "apiVersion: kustomize.config.k8s.io/v1beta1\n"
        "kind: Kustomization\n"
        "resources:\n" + "".join(f"- {name}\n" for name in files if name != "kustomization.yaml")
    )


def test_every_object_reads_back_as_it_was_whatever_the_order() -> None:
    files = rendered()
    assert files == rendered(*reversed(OBJECTS))
    del files["kustomization.yaml"]
    assert values_of(files) == [ANALYSIS_TEMPLATE, CONFIG_MAP, INGRESS, REPLICA_SET, SERVICE]


@given(
    body=st.fixed_dictionaries({}, optional={"spec": values, "data": values, "metadata": values}),
    kind=st.sampled_from(["apps/v1 ReplicaSet", "v1 Service", "networking.k8s.io/v1 Ingress", "v1 ConfigMap"]),
)
def test_any_object_reads_back_as_it_was(body: dict[str, Any], kind: str) -> None:
    api_version, _, kind = kind.partition(" ")
    extra = body.pop("metadata", None)
    whole = {**body, "apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "annotations": extra}}
    files = rendered(whole)
    del files["kustomization.yaml"]
    assert values_of(files) == [whole]


@given(st.lists(keys, min_size=1, max_size=8, unique=True))
def test_file_names_differ_on_every_file_system(wanted: list[ObjectKey]) -> None:
    found = file_names(wanted)
    assert found == file_names(list(reversed(wanted)))
    assert sorted(found) == sorted(wanted)
    assert len({name.casefold() for name in found.values()}) == len(wanted)
    for name in found.values():
        assert set(name) <= set(string.ascii_lowercase + string.digits + ".-")
        assert name != "kustomization.yaml"
        assert not name.startswith((".", "-"))


def test_a_clash_puts_the_group_or_the_namespace_into_all_names() -> None:
    core = ObjectKey("", "Service", "prod", "web")
    knative = ObjectKey("serving.knative.dev", "Service", "prod", "web")
    other = ObjectKey("", "Service", "dev", "web")
    assert file_names([core]) == {core: "service-web.yaml"}
    assert file_names([core, knative]) == {core: "service-web.yaml", knative: "service-serving.knative.dev-web.yaml"}
    assert file_names([core, other]) == {core: "service-prod-web.yaml", other: "service-dev-web.yaml"}


def test_a_long_or_strange_name_is_cut_and_gets_a_hash() -> None:
    long = ObjectKey("", "ConfigMap", "", "x" * 253)
    longer = ObjectKey("", "ConfigMap", "", "x" * 252 + "y")
    role = ObjectKey("rbac.authorization.k8s.io", "ClusterRole", "", "../system:web")
    found = file_names([long, longer, role])
    assert len(set(found.values())) == 3
    assert all(len(name) < 220 for name in found.values())
    assert found[role].startswith("clusterrole-..-system-web-")


def test_kubectl_takes_the_folder(tmp_path: Path) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl on this machine; the structure is tested above")
    # kustomize 5.5 cannot read its own output with U+0085.
    config_map = {**CONFIG_MAP, "data": {**CONFIG_MAP["data"], "nel": "a\u2028b\n d\n"}}
    for name, text in rendered(REPLICA_SET, SERVICE, INGRESS, config_map).items():
        (tmp_path / name).write_text(text)
    (tmp_path / ".rollstep").write_text(f"{'0' * 64}  service-web.yaml\n")
    built = subprocess.run([kubectl, "kustomize", tmp_path], capture_output=True, text=True, check=True).stdout
    found = sorted((document.value for document in load_documents(built, "built")), key=lambda body: str(body["kind"]))
    assert found == [config_map, INGRESS, REPLICA_SET, SERVICE]


def test_a_workload_that_does_not_select_its_pods_is_refused() -> None:
    body = copy.deepcopy(REPLICA_SET)
    body["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    with pytest.raises(RollstepError, match="does not match the labels of its own pods"):
        render([body], user_templates=None, context=CONTEXT)


def test_nothing_and_doubles_are_refused() -> None:
    with pytest.raises(RollstepError, match="there is nothing to render"):
        render([], user_templates=None, context=CONTEXT)
    with pytest.raises(RollstepError, match="Service web-canary in prod is there twice"):
        rendered(SERVICE, SERVICE)


def test_a_folder_name_cannot_break_out_of_the_comment() -> None:
    context = RenderContext("web", "prod", "environments/a\nkind: Secret")
    files = render([SERVICE], user_templates=None, context=context)
    assert values_of(files)[1] == SERVICE


def test_a_users_template_replaces_one_and_may_add(tmp_path: Path) -> None:
    folder = template(
        tmp_path / "templates",
        "service.yaml.j2",
        "# {{ context.app }} of {{ context.values.team }}\n"
        "{{ dict(object, metadata=dict(object.metadata, labels={'team': context.values.team})) | to_yaml }}\n",
    )
    context = RenderContext("web", "prod", "environments/prod/web", {"team": "shop"})
    files = render(OBJECTS, user_templates=folder, context=context)
    assert files["service-web-canary.yaml"].startswith("# web of shop\napiVersion: v1\n")
    assert load_documents(files["service-web-canary.yaml"], "")[0].value == {
        **SERVICE,
        "metadata": {"name": "web-canary", "namespace": "prod", "labels": {"team": "shop"}},
    }
    own = rendered()
    assert {name for name in files if files[name] != own[name]} == {"service-web-canary.yaml"}


def test_a_users_template_can_build_on_the_one_it_replaces(tmp_path: Path) -> None:
    folder = template(
        tmp_path / "templates", "service.yaml.j2", "# SPDX: none\n{% include 'builtin/service.yaml.j2' %}"
    )
    text = rendered(SERVICE, templates=folder)["service-web-canary.yaml"]
    assert text == "# SPDX: none\n" + rendered(SERVICE)["service-web-canary.yaml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ object | to_yaml }}\n---\n{{ object | to_yaml }}\n", "renders Service web-canary in prod as 2 documents"),
        ("# nothing\n", "as 0 documents"),
        ("- a\n", "renders v1 Service web-canary in prod as  "),
        (
            "{{ dict(object, kind='Secret') | to_yaml }}\n",
            "v1 Service web-canary in prod as v1 Secret web-canary in prod",
        ),
        ("{{ dict(object, metadata={'name': 'web-canary'}) | to_yaml }}\n", "in prod as v1 Service web-canary \\("),
        ("a: [\n", "as invalid YAML"),
    ],
)
def test_a_users_template_cannot_make_another_object(text: str, message: str, tmp_path: Path) -> None:
    folder = template(tmp_path / "templates", "service.yaml.j2", text)
    with pytest.raises(RollstepError, match=f"service.yaml.j2: {message}|service.yaml.j2: .*{message}"):
        rendered(SERVICE, templates=folder)


def test_a_users_kustomization_may_add_but_not_leave_out(tmp_path: Path) -> None:
    folder = template(
        tmp_path / "templates",
        "kustomization.yaml.j2",
        "{% include 'builtin/kustomization.yaml.j2' %}commonAnnotations: {team: shop}\n",
    )
    assert rendered(SERVICE, templates=folder)["kustomization.yaml"].endswith("commonAnnotations: {team: shop}\n")
    template(folder, "kustomization.yaml.j2", "resources: [{{ files[0] }}]\n")
    with pytest.raises(RollstepError, match=r"leaves out service-web-canary\.yaml"):
        rendered(SERVICE, INGRESS, templates=folder)


def test_names_in_the_files_are_those_of_the_objects() -> None:
    for name, text in rendered().items():
        if name != "kustomization.yaml":
            manifest = Manifest(load_documents(text, name)[0].value)
            assert name == f"{manifest.kind.lower()}-{manifest.name}.yaml"


def test_the_examples_of_the_documentation_work(project: Path, tmp_path: Path) -> None:
    text = (project / "docs/how-to/templates.md").read_text(encoding="utf-8")
    service, kustomization = (part.split("```")[0] for part in text.split("```jinja\n")[1:])
    folder = template(tmp_path / "templates", "service.yaml.j2", service)
    template(folder, "kustomization.yaml.j2", kustomization)
    context = RenderContext("web", "prod", "environments/prod/web", {"team": "shop"})
    files = render([SERVICE, INGRESS], user_templates=folder, context=context)
    found = load_documents(files["service-web-canary.yaml"], "")[0].value
    assert found == {**SERVICE, "metadata": {**SERVICE["metadata"], "labels": {"team": "shop"}}}
    assert files["service-web-canary.yaml"].startswith("# Owned by shop.\n")
    assert load_documents(files["kustomization.yaml"], "")[0].value["commonAnnotations"] == {"example.com/team": "shop"}
