"""``rollstep init`` as a process, in real folders and repositories."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from renderer.kubernetes.yaml.reader import load_documents
from renderer.pipeline.load.settings import load_settings, parse_settings
from renderer.rollouts.model.rollout import HASH_LABEL
from renderer.verbs.init.files import attributes_text

DATA = Path(__file__).parents[2] / "data" / "init"
SHOP = DATA / "shop.yaml"
NOON, LATER = "2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z"

ROLLOUT = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "registry.example.com/web:1"}]}
  strategy:
    canary: {steps: [{setWeight: 50}, {pause: {}}]}
"""


SCALED = f"""\
{ROLLOUT}---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: web}}
spec:
  scaleTargetRef: {{apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: web}}
  minReplicas: 4
  maxReplicas: 8
"""


SETTINGS = """\
# Settings of rollstep. All of them are optional; `rollstep schema` prints every key with its description.
defaults:
  kubernetesVersion: "1.34"
  controllerVersion: "1.10"
  # namespace: repository-${environment}  # of objects that name none
  # sync: kubectl  # what applies the rendered manifests: argocd, flux or kubectl
environments:
  prod: {}
"""


class Place:
    """A folder that ``init`` runs in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.root.mkdir(exist_ok=True)

    def git(self, *arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, text=True, check=True).stdout

    def run(self, *arguments: str, code: int = 0, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "renderer", *arguments]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, input=stdin, check=False)
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def write(self, path: str, text: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def files(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and ".git" not in path.relative_to(self.root).parts
        }

    def refused(self, *arguments: str, code: int = 1, stdin: str | None = None) -> str:
        """Run ``init``, expect a refusal that writes nothing, and return stderr."""
        before, folders = self.files(), sorted(self.root.rglob("*"))
        done = self.run("init", *arguments, code=code, stdin=stdin)
        assert self.files() == before
        assert sorted(self.root.rglob("*")) == folders
        assert done.stdout == ""
        return done.stderr


@pytest.fixture
def repository(tmp_path: Path) -> Place:
    place = Place(tmp_path / "repository")
    place.git("init", "--quiet", "--initial-branch=main")
    return place


def test_the_created_files_can_be_released(repository: Place) -> None:
    done = repository.run("init", str(SHOP), "--env", "staging", "--env", "prod")
    assert done.stdout == (
        "environments/\n"
        "├── prod/\n"
        "│   └── web/\n"
        "│       ├── configmap-web-settings.yaml\n"
        "│       ├── ingress-web.yaml\n"
        "│       ├── namespace-shop.yaml\n"
        "│       ├── rollout-web.yaml\n"
        "│       ├── service-web-canary.yaml\n"
        "│       └── service-web.yaml\n"
        "├── staging/\n"
        "│   └── web/\n"
        "│       ├── configmap-web-settings.yaml\n"
        "│       ├── ingress-web.yaml\n"
        "│       ├── namespace-shop.yaml\n"
        "│       ├── rollout-web.yaml\n"
        "│       ├── service-web-canary.yaml\n"
        "│       └── service-web.yaml\n"
        "└── .gitattributes\n"
        "rollstep.yaml\n"
    )
    commands = [line.strip() for line in done.stderr.splitlines() if line.startswith("  ")]
    assert [line for line in commands if not line.startswith("kubectl")] == [
        "git add environments rollstep.yaml",
        "git commit -m 'Release web with rollstep'",
        "rollstep plan",
        "rollstep advance staging/web prod/web",
    ]
    for line in commands[:2]:
        subprocess.run(shlex.split(line), cwd=repository.root, check=True, capture_output=True)
    repository.run("plan")
    repository.run("advance", "--all", "--now", NOON)
    assert len(repository.git("log", "--format=%s").splitlines()) == 3
    assert repository.git("status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("source", "arguments"),
    [
        ("shop.yaml", ()),
        ("shop.yaml", ("--strategy", "blueGreen")),
        ("helm-create.yaml", ()),
        ("helm-create-ingress.yaml", ("--steps", "10,50")),
    ],
)
def test_a_release_runs_to_its_end(repository: Place, source: str, arguments: tuple[str, ...]) -> None:
    text = (DATA / source).read_text(encoding="utf-8")
    made = json.loads(repository.run("init", "-", *arguments, "-o", "json", stdin=text).stdout)
    target = f"prod/{made['apps'][0]['app']}"
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--message=Add")
    repository.run("advance", "--all", "--now", NOON)
    repository.run("set", "image", target, "web=registry.example.com/web:2", "--now", NOON)
    for hour in range(13, 23):
        now = f"2026-03-01T{hour}:00:00Z"
        entry: dict[str, Any] = json.loads(repository.run("advance", target, "--now", now, "-o", "json").stdout)[0]
        if entry["moved"]:
            continue
        if not entry["reason"]:
            break
        repository.run("promote", target, "--now", now)
    assert entry["phase"] == "Committed"
    assert entry["revision"] == 2
    assert re.search(r"registry\.example\.com/web:2 \([a-z, ]*stable", repository.run("get", target).stdout)
    repository.run("render", "--check")


def test_a_rollout_is_copied_as_it_is(repository: Place) -> None:
    text = f"# ours\n{ROLLOUT}"
    repository.write("manifests/web.yaml", text)
    repository.run("init", "manifests")
    assert repository.files() == {
        "manifests/web.yaml": text.encode(),
        "environments/.gitattributes": attributes_text({"rendered"}).encode(),
        "environments/prod/web/web.yaml": text.encode(),
        "rollstep.yaml": SETTINGS.encode(),
    }


def test_a_folder_is_read_without_hidden_files_and_our_own(repository: Place) -> None:
    repository.write("web.yaml", ROLLOUT)
    repository.write("deep/er/settings.json", '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}')
    repository.write(".hidden/no.yaml", "a: [")
    repository.write("compose.yaml", "services: {}\n")
    repository.write("README.md", "words")
    first = repository.run("init", ".", "--env", "dev")
    assert "note: compose.yaml: is not a Kubernetes manifest: left out" in first.stderr
    assert sorted(path for path in repository.files() if path.startswith("environments")) == [
        "environments/.gitattributes",
        "environments/dev/web/configmap-a.yaml",
        "environments/dev/web/web.yaml",
    ]
    # A second run does not read the files that the first wrote.
    repository.run("init", ".", "--env", "prod")
    assert "environments/prod/web/web.yaml" in repository.files()


def test_a_second_run_changes_nothing(repository: Place) -> None:
    repository.run("init", str(SHOP))
    before = repository.files()
    done = repository.run("init", str(SHOP))
    assert repository.files() == before
    assert "rollout-web.yaml (unchanged)" in done.stdout
    assert "0 files created" in done.stderr


def test_a_second_environment(repository: Place) -> None:
    repository.run("init", str(SHOP), "--env", "dev")
    before = repository.files()
    repository.run("init", str(SHOP), "--env", "prod")
    after = repository.files()
    assert {path: after[path] for path in before} == before
    assert len(after) == 2 * len(before) - 2
    repository.run("render", "--stdout")


def test_every_existing_file_is_reported_and_none_is_written(repository: Place) -> None:
    repository.write("environments/prod/web/service-web.yaml", "kind: Mine\n")
    repository.write("environments/prod/web/ingress-web.yaml", "")
    said = repository.refused(str(SHOP), "--env", "dev", "--env", "prod")
    for name in ("service-web", "ingress-web"):
        assert f"error: environments/prod/web/{name}.yaml: exists already with other content" in said


def test_an_existing_app_is_not_mixed_with_another(repository: Place) -> None:
    repository.write("environments/prod/web/mine.yaml", ROLLOUT.replace("name: web}", "name: mine}"))
    said = repository.refused(str(SHOP))
    assert "environments/prod/web has a Rollout already: mine" in said


def test_objects_that_exist_in_the_app_are_reported(repository: Place) -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {selector: {app: web}}\n"
    repository.write("environments/prod/web/mine.yaml", service)
    assert "Service web is there twice" in repository.refused(str(SHOP))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("canary: {steps", "canary: {stableService: nowhere, steps", 'Service "nowhere" not found'),
        ("{pause: {}}", "{plugin: {name: example/step}}", "plugin steps are not supported"),
        ("{setWeight: 50}", "{setWeight: 500}", "setWeight"),
        (
            "selector: {matchLabels: {app: web}}",
            "selector: {matchLabels: {app: api}}",
            "the selector requires app: api",
        ),
        ("replicas: 2", "replicas: two", "must be of type integer"),
        ("replicas: 2", "replicaz: 2", "did you mean replicas?"),
        ("metadata: {name: web}", "metadata: {}", "metadata.name: missing"),
        ("kind: Rollout", "kind: [Rollout", "is not YAML"),
    ],
)
def test_an_invalid_rollout_is_refused_with_its_place(repository: Place, old: str, new: str, said: str) -> None:
    assert ROLLOUT.count(old) == 1
    repository.write("web.yaml", ROLLOUT.replace(old, new))
    words = repository.refused("web.yaml", "--env", "dev", "--env", "prod")
    assert words.startswith("error: web.yaml:")
    assert said in words
    assert words.count(said) == 1


def test_the_findings_of_all_apps_are_reported(repository: Place) -> None:
    api = ROLLOUT.replace("web", "api").replace("{setWeight: 50}", "{setWeight: 500}")
    repository.write("api.yaml", api)
    repository.write("web.yaml", ROLLOUT.replace("pause: {}", "plugin: {name: example/step}"))
    words = repository.refused("web.yaml", "api.yaml")
    assert "api.yaml:11:" in words
    assert "plugin steps are not supported" in words


def test_a_dry_run_writes_nothing(repository: Place) -> None:
    done = repository.run("init", str(SHOP), "--dry-run")
    assert repository.files() == {}
    assert "rollout-web.yaml" in done.stdout
    assert "8 files would be created" in done.stderr


def test_json_has_files_notes_and_next_commands(repository: Place) -> None:
    done = repository.run("init", "-", "-o", "json", stdin=(DATA / "helm-create.yaml").read_text(encoding="utf-8"))
    told = json.loads(done.stdout)
    assert told["apps"] == [
        {
            "app": "shop-web",
            "environment": "prod",
            "files": [
                {"path": f"environments/prod/shop-web/{name}.yaml", "new": True, "from": ["<stdin>"]}
                for name in ("rollout-shop-web", "service-shop-web", "serviceaccount-shop-web")
            ],
        }
    ]
    assert told["settings"] == {"path": "rollstep.yaml", "new": True}
    assert told["attributes"] == [{"path": "environments/.gitattributes", "new": True}]
    assert [note["file"] for note in told["notes"]] == ["<stdin>"] * 3
    assert told["next"][-1] == "rollstep advance prod/shop-web"
    assert not told["dryRun"]


def test_git_merges_no_file_that_rollstep_writes(repository: Place) -> None:
    repository.write("rollstep.yaml", "environmentsPath: deploy\ndefaults: {output: out}\n")
    repository.run("init", str(SHOP))
    place = "deploy/prod/web"
    paths = (f"{place}/status.yaml", f"{place}/out/service-web.yaml", f"{place}/out/.rollstep", f"{place}/service.yaml")
    told = repository.git("check-attr", "merge", "linguist-generated", "eol", "--", *paths).splitlines()
    values = {tuple(line.split(": ")[:2]): line.split(": ")[2] for line in told}
    assert [values[path, "merge"] for path in paths] == ["unset", "unset", "unspecified", "unspecified"]
    assert [values[path, "linguist-generated"] for path in paths] == ["set", "set", "set", "unspecified"]
    assert [values[path, "eol"] for path in paths] == ["lf", "lf", "lf", "unspecified"]


def test_other_attributes_are_left_as_they_are(repository: Place) -> None:
    repository.write("environments/.gitattributes", "* text\n")
    done = repository.run("init", str(SHOP))
    assert repository.files()["environments/.gitattributes"] == b"* text\n"
    assert "note: environments/.gitattributes: is left as it is" in done.stderr
    assert "*/*/rendered/*.yaml -merge" in done.stderr


def test_existing_settings_are_kept_and_used(repository: Place) -> None:
    text = "environmentsPath: deploy\ndefaults: {namespace: shop-web}\n"
    repository.write("rollstep.yaml", text)
    repository.write("web.yaml", ROLLOUT)
    done = repository.run("init", "web.yaml")
    assert repository.files()["rollstep.yaml"] == text.encode()
    assert "deploy/prod/web/web.yaml" in repository.files()
    assert "git add deploy rollstep.yaml" in done.stderr


def test_an_app_whose_manifests_come_from_a_command_gets_no_files(repository: Place) -> None:
    repository.write("rollstep.yaml", "environments: {prod: {apps: {web: {source: {exec: [cat, web.yaml]}}}}}\n")
    repository.write("web.yaml", ROLLOUT)
    assert "a command prints the manifests" in repository.refused("web.yaml")


def test_invalid_settings_are_reported(repository: Place) -> None:
    repository.write("rollstep.yaml", "environment: {}\n")
    assert "rollstep.yaml:1:1" in repository.refused(str(SHOP))


def test_outside_git_a_note_is_printed(tmp_path: Path) -> None:
    place = Place(tmp_path / "plain")
    done = place.run("init", str(SHOP))
    assert "note: this is not a git repository: releases need one" in done.stderr
    assert "  git init\n" in done.stderr
    assert "environments/prod/web/rollout-web.yaml" in place.files()


def test_it_writes_to_the_root_of_the_repository(repository: Place) -> None:
    repository.write("sub/web.yaml", ROLLOUT)
    done = repository.run("-C", "sub", "init", "web.yaml")
    assert "environments/prod/web/web.yaml" in repository.files()
    assert "git add ../environments ../rollstep.yaml" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Missing argument"),
        (("nowhere.yaml", "nor/here"), "nor/here: there is no such file or folder"),
        (("-", "--env", "../up"), "'../up' cannot be the name of a folder"),
        (("-", "--env", ".hidden"), "cannot be the name of a folder"),
        (("-", "--app", "a/b"), "'a/b' cannot be the name of a folder"),
        (("-", "--steps", "20,forty"), "is not a list of percentages"),
        (("-", "--steps", "101"), "is not a list of percentages"),
        (("-", "--steps", "20", "--strategy", "blueGreen"), "blueGreen has none"),
        (("-", "--strategy", "green"), "--strategy"),
    ],
)
def test_an_invalid_command_line(repository: Place, arguments: tuple[str, ...], said: str) -> None:
    assert said in repository.refused(*arguments, code=2, stdin=ROLLOUT)


@pytest.mark.parametrize(
    ("name", "arguments", "command"),
    [
        ("kustomization.yaml", (), "kustomize build '{}'"),
        ("Chart.yaml", (), "helm template 'the base' '{}'"),
        ("Chart.yaml", ("--app", "web"), "helm template web '{}'"),
    ],
)
def test_sources_of_other_tools_are_refused_with_the_tools_command(
    repository: Place, name: str, arguments: tuple[str, ...], command: str
) -> None:
    folder = repository.write(f"the base/{name}", "a: 1\n").parent
    assert f"use `{command.format(folder)} | rollstep init -`" in repository.refused("the base", *arguments)


@pytest.mark.parametrize("arguments", [(), ("--env", "staging", "--env", "prod"), ("--env", "1.0", "--env", "prod")])
def test_every_setting_in_a_comment_can_be_uncommented_as_it_stands(
    repository: Place, arguments: tuple[str, ...]
) -> None:
    repository.write("web.yaml", SCALED)
    repository.run("init", "web.yaml", *arguments)
    lines = (repository.root / "rollstep.yaml").read_text(encoding="utf-8").splitlines()
    choices = [number for number, line in enumerate(lines) if re.match(r" +# \w+: ", line)]
    assert len(choices) == 2
    for chosen in ([], *([number] for number in choices), choices):
        text = [line.replace("# ", "", 1) if number in chosen else line for number, line in enumerate(lines)]
        settings = parse_settings("\n".join(text), repository.root)
        for environment in ("staging", "prod"):
            own = settings.for_app(environment, "web")
            assert own.namespace == (f"repository-{environment}" if choices[0] in chosen else "")
            assert own.sync == ("kubectl" if choices[1] in chosen else "any")


def test_an_app_with_an_autoscaler_gets_the_order_that_it_needs_and_a_note(repository: Place) -> None:
    repository.write("web.yaml", SCALED)
    done = repository.run("init", "web.yaml")
    assert "apps.web.order: order: step is not safe" in done.stderr
    assert load_settings(repository.root).for_app("prod", "web").order == "step"
    assert repository.run("lint", "environments").stdout == ""
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--message=Add")
    repository.run("advance", "--all", "--now", NOON, "--no-validate")


def test_an_autoscaler_beside_existing_settings_needs_the_order_there_first(repository: Place) -> None:
    repository.write("rollstep.yaml", "environments: {prod: {}}\n")
    repository.write("web.yaml", SCALED)
    assert "choose `replicas: rollstep` or `order: step` in rollstep.yaml" in repository.refused("web.yaml")
    repository.write("rollstep.yaml", "apps: {web: {order: step}}\n")
    repository.run("init", "web.yaml")


def test_how_to_move_from_the_deployment_is_told_to_its_end(repository: Place) -> None:
    repository.write("rollstep.yaml", "environments: {prod: {namespace: shop}}\n")
    text = (DATA / "kubectl-create.yaml").read_text(encoding="utf-8").replace("replicas: 1", "replicas: 3")
    done = repository.run("init", "-", stdin=text)
    title = "If the Deployment web runs in prod, move over after `rollstep advance` and before the first sync:\n"
    new = "-f environments/prod/web/rendered/replicaset-web-*.yaml"
    assert done.stderr.partition(title)[2] == (
        "  kubectl delete deployment web --cascade=orphan --namespace shop\n"
        f"  kubectl apply {new}\n"
        f"  kubectl wait --for=jsonpath='{{.status.availableReplicas}}'=3 --timeout=10m {new}\n"
        "  kubectl apply -k environments/prod/web/rendered\n"
        "  kubectl delete replicaset --selector 'app=web,!rollouts-pod-template-hash' --namespace shop\n"
    )
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--message=Add")
    repository.run("advance", "--all", "--now", NOON, "--no-validate")
    # The ReplicaSet that the first command applies is the one that the last one spares.
    (path,) = repository.root.glob("environments/prod/web/rendered/replicaset-web-*.yaml")
    assert load_documents(path.read_text(encoding="utf-8"), "")[0].value["metadata"]["labels"][HASH_LABEL]


def test_a_move_with_an_autoscaler_waits_for_its_least_number_of_pods(repository: Place) -> None:
    deployment = SCALED.replace("argoproj.io/v1alpha1", "apps/v1").replace("kind: Rollout", "kind: Deployment")
    deployment = re.sub(r"  strategy:\n.*\n", "", deployment)
    (moving,) = json.loads(repository.run("init", "-", "-o", "json", stdin=deployment).stdout)["moves"]
    assert {key: moving[key] for key in ("app", "environment", "deployment")} == {
        "app": "web",
        "environment": "prod",
        "deployment": "web",
    }
    rendered = "environments/prod/web/rendered"
    assert moving["commands"][1].endswith(f" -f {rendered}/horizontalpodautoscaler-*.yaml")
    assert "'=4 " in moving["commands"][2]


def test_a_rollout_needs_no_move(repository: Place) -> None:
    assert json.loads(repository.run("init", "-", "-o", "json", stdin=ROLLOUT).stdout)["moves"] == []


def test_a_file_in_place_of_a_folder_is_reported(repository: Place) -> None:
    repository.write("environments", "a file where a folder is to be")
    assert "environments: is a file, but a folder is needed here" in repository.refused(str(SHOP))


def test_the_created_files_are_valid(repository: Place, assert_valid: Callable[..., None]) -> None:
    # The last chart has an autoscaler.
    repository.write("rollstep.yaml", "defaults: {order: step}\n")
    for number, name in enumerate(("shop.yaml", "helm-create.yaml", "helm-create-ingress.yaml")):
        repository.run("init", str(DATA / name), "--env", f"canary{number}")
        repository.run("init", str(DATA / name), "--env", f"blue-green{number}", "--strategy", "blueGreen")
    manifests = {path: text for path, text in repository.files().items() if path.startswith("environments/")}
    del manifests["environments/.gitattributes"]
    texts = {path: text.decode() for path, text in manifests.items()}
    assert_valid(texts, skipped={"Rollout"})
