"""An app that has lost its manifests is still applied: everything tells it, and `rollstep remove` takes it away."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import TWO, Checkout

DAY = "2026-03-{:02}T12:00:00Z"
WEB, API = "environments/prod/web", "environments/prod/api"
SOURCES = ("rollout.yaml", "services.yaml", "ingress.yaml", "configmap.yaml")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    made = Checkout(tmp_path_factory.mktemp("released") / "one")
    made.run("advance", "prod", "--now", DAY.format(1), "--no-validate")
    made.run("set", "image", "prod/web", f"web={TWO}", "--now", DAY.format(2), "--no-validate")
    return made


@pytest.fixture
def checkout(released: Checkout, tmp_path: Path) -> Checkout:
    return released.copy(tmp_path / "copy")


@pytest.fixture
def orphaned(checkout: Checkout) -> Checkout:
    """Return a checkout whose prod/web has rendered files and no manifests."""
    checkout.git("rm", "--quiet", *(f"{WEB}/{name}" for name in SOURCES))
    checkout.git("commit", "--quiet", "--message=Delete the manifests")
    return checkout


def files(checkout: Checkout, ref: str, folder: str) -> list[str]:
    return checkout.git("ls-tree", "-r", "--name-only", ref, "--", folder).splitlines()


def test_everything_tells_an_orphan(orphaned: Checkout) -> None:
    told = "rollstep remove prod/web"
    done = orphaned.run("status", code=1)
    (line,) = [line for line in done.stdout.splitlines() if " web " in line and line.startswith("prod")]
    assert "Orphaned" in line
    assert told in line
    assert told in orphaned.run("render", "--check", "prod", "--no-validate", code=1).stderr
    (entry,) = [one for one in orphaned.json("render", "--check", "prod", code=1) if one["app"] == "web"]
    assert not entry["upToDate"]
    assert told in orphaned.run("lint", code=1).stdout
    assert told in orphaned.run("verify", "HEAD~1..", code=1).stdout
    assert told in orphaned.run("advance", "prod/web", code=2).stderr.replace("  ", " ")


def test_a_check_that_was_green_before_does_not_hide_an_orphan(checkout: Checkout) -> None:
    for _ in range(2):
        checkout.run("render", "--check", "prod", "--no-validate")
    for name in SOURCES:
        (checkout.root / WEB / name).unlink()
    for _ in range(2):
        assert "is still applied" in checkout.run("render", "--check", "prod", "--no-validate", code=1).stderr


def test_an_app_with_manifests_is_no_orphan(checkout: Checkout) -> None:
    checkout.run("status", "prod")
    checkout.run("render", "--check", "prod", "--no-validate")
    assert "no app has lost its manifests" in checkout.run("remove", "--all").stderr
    (checkout.root / "environments/prod/notes").mkdir()
    (checkout.root / "environments/prod/notes/README.md").write_text("no app\n", encoding="utf-8")
    checkout.run("render", "--check", "prod", "--no-validate")


def test_a_verdict_on_the_last_manifest_alone(checkout: Checkout) -> None:
    checkout.git("rm", "--quiet", f"{WEB}/configmap.yaml")
    checkout.git("commit", "--quiet", "--message=Delete one")
    checkout.run("verify", "HEAD~1..")


@pytest.mark.parametrize("arguments", [("prod/web",), ("--all",), (WEB,)], ids=str)
def test_an_orphan_is_removed(orphaned: Checkout, arguments: tuple[str, ...]) -> None:
    api = files(orphaned, "HEAD", API)
    done = orphaned.run("remove", *arguments)
    assert done.stdout.endswith("] web (prod): remove\n")
    assert "kubectl delete -k" in done.stderr
    assert files(orphaned, "HEAD", WEB) == []
    assert not (orphaned.root / WEB).exists()
    assert files(orphaned, "HEAD", API) == api
    assert orphaned.git("status", "--porcelain") == ""
    ((app,),) = [entry["apps"] for entry in orphaned.json("verify", "HEAD~1..")]
    assert app["does"] == "removal"
    orphaned.run("render", "--check", "prod", "--no-validate")


def test_manifests_that_were_deleted_and_not_committed_go_with_the_orphan(checkout: Checkout) -> None:
    for name in SOURCES:
        (checkout.root / WEB / name).unlink()
    (checkout.root / WEB / "README.md").write_text("about it\n", encoding="utf-8")
    checkout.git("add", f"{WEB}/README.md")
    checkout.git("commit", "--quiet", "--message=Explain it")
    checkout.run("remove", "prod/web")
    assert files(checkout, "HEAD", WEB) == [f"{WEB}/README.md"]
    checkout.run("verify", "HEAD~1..")


def test_a_released_app_is_removed_only_with_its_manifests(checkout: Checkout) -> None:
    before = checkout.snapshot()
    assert "rollstep remove prod/web --sources" in checkout.run("remove", "prod/web", code=1).stderr
    assert checkout.snapshot() == before
    checkout.run("remove", "prod/web", "--sources")
    assert files(checkout, "HEAD", WEB) == []
    checkout.run("verify", "HEAD~1..")
    checkout.git("revert", "--no-edit", "HEAD")
    assert checkout.weight("prod/web") == "20"


def test_what_is_not_committed_is_not_lost(checkout: Checkout) -> None:
    checkout.edit(f"{WEB}/services.yaml", "port: 80", "port: 81")
    before = checkout.snapshot()
    assert "services.yaml: is not committed" in checkout.run("remove", "prod/web", "--sources", code=1).stderr
    assert checkout.snapshot() == before


def test_objects_that_another_app_has_are_not_taken_from_it(checkout: Checkout) -> None:
    for name in SOURCES:
        (checkout.root / "environments/prod/shop").mkdir(exist_ok=True)
        checkout.git("mv", f"{WEB}/{name}", f"environments/prod/shop/{name}")
    checkout.git("commit", "--quiet", "--message=Rename the app without its state")
    checkout.run("advance", "prod/shop", "--now", DAY.format(3), "--no-validate")
    told = checkout.run("remove", "prod/web", code=1).stderr
    assert "prod/shop has ConfigMap web" in told
    assert "`git mv` its status and rendered files there" in told
    checkout.run("remove", "prod/web", "--shared")
    assert files(checkout, "HEAD", WEB) == []


def test_settings_of_a_removed_app_go_with_it(checkout: Checkout) -> None:
    own = "environments:\n  prod:\n    # the shop\n    apps: {web: {values: {a: 1}}, api: {values: {a: 2}}}\n"
    checkout.edit("rollstep.yaml", "environments:\n", own)
    checkout.commit("Set it")
    for name in SOURCES:
        (checkout.root / WEB / name).unlink()
    done = checkout.run("remove", "prod/web")
    assert "rollstep.yaml: without environments.prod.apps.web" in done.stderr
    text = (checkout.root / "rollstep.yaml").read_text(encoding="utf-8")
    assert "web" not in text
    assert "# the shop\n    apps: {api: {values: {a: 2}}}" in text
    assert checkout.git("status", "--porcelain") == ""
    checkout.run("verify", "HEAD~1..")
    done = checkout.run("remove", "prod/api", "--sources")
    assert "rollstep.yaml: without environments.prod" in done.stderr
    checkout.run("status")


def test_a_dry_run_removes_nothing(orphaned: Checkout) -> None:
    before = orphaned.snapshot()
    assert "[dry run] web (prod): remove" in orphaned.run("remove", "prod/web", "--dry-run").stdout
    (entry,) = orphaned.json("remove", "prod/web", "--dry-run")
    assert f"{WEB}/status.yaml" in entry["files"]
    assert orphaned.snapshot() == before


def test_the_apps_have_to_be_named(checkout: Checkout) -> None:
    assert "name the apps" in checkout.run("remove", code=2).stderr
    assert "name the apps" in checkout.run("remove", "--all", "--sources", code=2).stderr
    assert "there is no app or environment shop" in checkout.run("remove", "shop", code=2).stderr


def test_the_object_of_flux_goes_with_the_app(orphaned: Checkout) -> None:
    orphaned.edit("rollstep.yaml", "environments:\n", "environments:\n  prod: {sync: flux}\n")
    (orphaned.root / "sync/flux").mkdir(parents=True)
    (orphaned.root / "sync/flux/prod-web.yaml").write_text("kind: Kustomization\n", encoding="utf-8")
    (orphaned.root / "sync/flux/prod-api.yaml").write_text("kind: Kustomization\n", encoding="utf-8")
    orphaned.commit("Follow it by Flux")
    assert "delete its Kustomization" in orphaned.run("remove", "prod/web").stderr
    assert files(orphaned, "HEAD", "sync") == ["sync/flux/prod-api.yaml"]


def test_the_branch_of_the_environment_has_an_orphan_until_it_is_removed(checkout: Checkout) -> None:
    checkout.edit(
        "rollstep.yaml", "environments:\n", "environments:\n  prod: {commit: {environmentBranch: env/prod}}\n"
    )
    checkout.commit("A branch of its own")
    checkout.run("scale", "prod/api", "--replicas", "4", "--now", DAY.format(3), "--no-validate")
    before = files(checkout, "env/prod", "web")
    assert "web/status.yaml" in before
    checkout.git("rm", "--quiet", *(f"{WEB}/{name}" for name in SOURCES))
    checkout.git("commit", "--quiet", "--message=Delete the manifests")
    checkout.run("scale", "prod/api", "--replicas", "5", "--now", DAY.format(4), "--no-validate")
    assert files(checkout, "env/prod", "web") == before
    done = checkout.run("remove", "prod/web")
    assert "[env/prod " in done.stdout
    assert files(checkout, "env/prod", "web") == []
    checkout.run("verify", "env/prod")
    checkout.run("remove", "prod/api", "--sources")
    assert files(checkout, "env/prod", "api") == []
    checkout.run("verify", "env/prod")


def test_a_removal_is_pushed(orphaned: Checkout, tmp_path: Path) -> None:
    orphaned.git("init", "--quiet", "--bare", str(tmp_path / "remote.git"))
    orphaned.git("remote", "add", "origin", str(tmp_path / "remote.git"))
    orphaned.git("push", "--quiet", "--set-upstream", "origin", "main")
    orphaned.run("remove", "prod/web", "--push")
    assert orphaned.git("rev-parse", "origin/main").strip() == orphaned.head
