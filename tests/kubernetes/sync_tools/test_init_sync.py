"""``init --sync``: the objects of Argo CD and Flux are valid by the tools' own definitions."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from renderer.kubernetes import KUBERNETES_VERSION
from renderer.kubernetes.sync_tools.flux import ssh_url
from renderer.kubernetes.sync_tools.git_source import GitSource, object_name
from renderer.kubernetes.yaml.reader import load_documents
from renderer.pipeline.load.settings import load_settings
from renderer.pipeline.validate.manifests import validate

DATA = Path(__file__).parents[2] / "data"
SHOP = (DATA / "init" / "shop.yaml").read_text(encoding="utf-8")
ANYWHERE = SHOP.replace("  namespace: shop\n", "")
"""The same manifests, in no namespace."""
URL = "git@git.example.com:shop/web.git"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "remote", "add", "origin", URL)
    return tmp_path


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True)


def init(root: Path, *arguments: str, code: int = 0, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run ``init`` with the manifests of the shop, or with ``text``."""
    command = [sys.executable, "-m", "renderer", "init", "-", *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, input=text or SHOP)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def objects(root: Path, tool: str, kubeconform: str) -> dict[str, Any]:
    """Return the objects written for ``tool`` by kind and name, checked against the tool's own definitions."""
    paths = sorted((root / "sync" / tool).iterdir())
    files = {path.name: path.read_text(encoding="utf-8") for path in paths}
    validation = validate(files, KUBERNETES_VERSION, kubeconform=kubeconform, own=(DATA / "sync",))
    assert [finding.text() for finding in (*validation.findings, *validation.skipped)] == []
    values = [document.value for name, text in files.items() for document in load_documents(text, name)]
    return {f"{value['kind']}/{value['metadata']['name']}": value for value in values}


def test_argo_cd_gets_an_application_set_for_each_environment(repository: Path, kubeconform: str) -> None:
    done = init(repository, "--env", "staging", "--env", "prod", "--sync", "argocd", text=ANYWHERE)
    made = objects(repository, "argocd", kubeconform)
    assert sorted(made) == ["ApplicationSet/web-prod", "ApplicationSet/web-staging"]
    spec = made["ApplicationSet/web-prod"]["spec"]
    (generator,) = spec["generators"]
    assert generator["git"] == {
        "repoURL": URL,
        "revision": "main",
        "directories": [{"path": "environments/prod/*/rendered"}],
    }
    assert spec["template"]["metadata"]["name"] == "{{ index .path.segments 2 | normalize }}-prod"
    assert spec["template"]["spec"]["source"]["targetRevision"] == "main"
    assert "git add environments sync rollstep.yaml" in done.stderr


def test_flux_gets_a_source_for_each_environment_and_a_kustomization_for_each_app(
    repository: Path, kubeconform: str
) -> None:
    init(repository, "--sync", "flux")
    made = objects(repository, "flux", kubeconform)
    apps = {path.name for path in (repository / "environments" / "prod").iterdir()}
    assert sorted(made) == sorted(["GitRepository/web-prod", *(f"Kustomization/{app}-prod" for app in apps)])
    source = made["GitRepository/web-prod"]["spec"]
    assert (source["url"], source["ref"]) == ("ssh://git@git.example.com/shop/web.git", {"branch": "main"})
    for app in apps:
        spec = made[f"Kustomization/{app}-prod"]["spec"]
        assert spec["path"] == f"./environments/prod/{app}/rendered"
        assert spec["sourceRef"] == {"kind": "GitRepository", "name": "web-prod"}


@pytest.mark.parametrize(("tool", "place"), [("argocd", "*/rendered"), ("flux", "./web/rendered")])
def test_an_environment_with_a_branch_is_followed_there(
    repository: Path, kubeconform: str, tool: str, place: str
) -> None:
    text = "environments:\n  prod: {namespace: shop, commit: {environmentBranch: 'env/${environment}'}}\n"
    (repository / "rollstep.yaml").write_text(text, encoding="utf-8")
    init(repository, "--app", "web", "--sync", tool)
    made = objects(repository, tool, kubeconform)
    told = str(made)
    assert "env/prod" in told
    assert place in told
    assert "targetNamespace" not in told
    assert "index .path.segments 0" in told or tool == "flux"


def test_a_second_run_changes_nothing_and_a_change_by_hand_is_not_lost(repository: Path) -> None:
    init(repository, "--sync", "argocd")
    file = repository / "sync" / "argocd" / "prod.yaml"
    before = file.read_bytes()
    init(repository, "--sync", "argocd")
    assert file.read_bytes() == before
    file.write_bytes(before + b"# mine\n")
    done = init(repository, "--sync", "argocd", code=1)
    assert "sync/argocd/prod.yaml: exists already" in done.stderr
    assert file.read_bytes() == before + b"# mine\n"


@pytest.mark.parametrize("tool", ["argocd", "flux"])
def test_new_settings_name_the_tool_and_those_that_name_another_stand_against_it(repository: Path, tool: str) -> None:
    init(repository, "--env", "prod", "--env", "dev", "--sync", tool, text=ANYWHERE)
    settings = load_settings(repository)
    assert {settings.for_app(name, "web").sync for name in ("prod", "dev")} == {tool}
    shutil.rmtree(repository / "sync")
    shutil.rmtree(repository / "environments")
    other = {"argocd": "flux", "flux": "argocd"}[tool]
    done = init(repository, "--sync", other, code=1)
    assert f"prod is synced by {tool}, and --sync asks for {other}" in done.stderr
    assert not (repository / "sync").exists()


@pytest.mark.parametrize("tool", ["argocd", "flux"])
def test_several_environments_get_namespaces_of_their_own(repository: Path, kubeconform: str, tool: str) -> None:
    done = init(repository, "--env", "staging", "--env", "prod", "--sync", tool, text=ANYWHERE)
    settings = load_settings(repository)
    assert {name: settings.for_app(name, "web").namespace for name in ("staging", "prod")} == {
        "staging": "web-staging",
        "prod": "web-prod",
    }
    assert "each environment has a namespace of its own: web-staging, web-prod" in done.stderr
    assert ("flux does not" in done.stderr) == (tool == "flux")
    made = objects(repository, tool, kubeconform)
    if tool == "argocd":
        places = [made[f"ApplicationSet/web-{name}"]["spec"]["template"]["spec"] for name in ("staging", "prod")]
        assert [spec["destination"]["namespace"] for spec in places] == ["web-staging", "web-prod"]


@pytest.mark.parametrize(
    ("settings", "text", "hint"),
    [
        ("", SHOP, "take metadata.namespace out of the manifests"),
        ("defaults: {namespace: shop}\n", ANYWHERE, "such as environments.staging.namespace"),
        ("{}\n", ANYWHERE, "such as environments.staging.namespace"),
    ],
)
def test_environments_in_one_namespace_are_refused(repository: Path, settings: str, text: str, hint: str) -> None:
    if settings:
        (repository / "rollstep.yaml").write_text(settings, encoding="utf-8")
    before = sorted(path.name for path in repository.iterdir())
    done = init(repository, "--env", "staging", "--env", "prod", "--sync", "argocd", text=text, code=1)
    assert "staging and prod would be the same objects: all are" in done.stderr
    assert hint in done.stderr
    assert sorted(path.name for path in repository.iterdir()) == before


def test_the_manifests_of_one_environment_keep_their_namespace(repository: Path) -> None:
    init(repository, "--sync", "argocd")
    assert load_settings(repository).for_app("prod", "web").namespace == ""


def test_objects_of_environments_that_exist_in_their_namespaces_are_taken(repository: Path) -> None:
    (repository / "rollstep.yaml").write_text("defaults: {namespace: 'shop-${environment}'}\n", encoding="utf-8")
    init(repository, "--env", "staging", "--env", "prod", "--sync", "flux", text=ANYWHERE)


@pytest.mark.parametrize("url", ["", "../web.git", "/srv/git/web.git"])
def test_without_an_address_that_a_cluster_could_read_nothing_is_written(repository: Path, url: str) -> None:
    git(repository, "remote", "remove", "origin")
    if url:
        git(repository, "remote", "add", "origin", url)
    done = init(repository, "--sync", "flux", code=1)
    assert "there is no remote origin that a cluster could read" in done.stderr
    assert [path.name for path in repository.iterdir()] == [".git"]


def test_a_password_in_the_remotes_url_is_not_written(repository: Path) -> None:
    git(repository, "remote", "set-url", "origin", "https://me:secret-word@git.example.com/shop/web.git")
    init(repository, "--sync", "argocd")
    text = (repository / "sync" / "argocd" / "prod.yaml").read_text(encoding="utf-8")
    assert "https://git.example.com/shop/web.git" in text
    assert "secret-word" not in text


def test_names_are_what_kubernetes_takes() -> None:
    assert object_name("My_App.v2-prod") == "my-app-v2-prod"
    assert len(object_name("a" * 80)) == 63
    assert GitSource("prod", "https://git.example.com/Shop/Web.git", "main", "", "rendered", "").name == "web-prod"
    assert ssh_url("https://git.example.com/a.git") == "https://git.example.com/a.git"
    assert ssh_url("ssh://git@git.example.com:22/a.git") == "ssh://git@git.example.com:22/a.git"
