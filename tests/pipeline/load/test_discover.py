from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from renderer.errors import RollstepError, UsageError
from renderer.pipeline.load.discover import AppRef, all_apps, find_apps, find_orphans, unknown_names
from renderer.pipeline.load.files import Folder
from renderer.pipeline.load.settings import load_settings
from renderer.pipeline.load.sources import manifest_files

APPS = ("dev/web", "prod/api", "prod/web")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a repository with three apps, and folders that are not apps."""
    for app in APPS:
        write(tmp_path / "environments" / app / "rollout.yaml")
    write(tmp_path / "environments/prod/old/rendered/x.yaml")
    write(tmp_path / "environments/prod/old/status.yaml")
    write(tmp_path / "environments/prod/docs/README.md")
    write(tmp_path / "environments/prod/.hidden/x.yaml")
    write(tmp_path / "environments/README.md")
    write(tmp_path / "web/main.py")
    return tmp_path


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def found(root: Path, *selectors: str, cwd: str = ".") -> tuple[str, ...]:
    apps = find_apps(root, load_settings(root), selectors, root / cwd)
    for app in apps:
        assert app.folder == root / "environments" / app.environment / app.name
    return tuple(f"{app.environment}/{app.name}" for app in apps)


def test_without_a_selector_all_apps_are_found(root: Path):
    assert found(root) == APPS
    assert found(root, cwd="environments/prod") == APPS


@pytest.mark.parametrize(
    ("selector", "cwd", "apps"),
    [
        ("environments/prod/web", ".", ("prod/web",)),
        ("environments/prod/web/", ".", ("prod/web",)),
        ("environments/prod/web/rollout.yaml", ".", ("prod/web",)),
        ("environments/prod", ".", ("prod/api", "prod/web")),
        (".", ".", APPS),
        (".", "environments/prod/web", ("prod/web",)),
        ("../api", "environments/prod/web", ("prod/api",)),
        ("prod", ".", ("prod/api", "prod/web")),
        ("prod", "environments", ("prod/api", "prod/web")),
        ("web", "environments/prod", ("prod/web",)),
        ("prod/web", ".", ("prod/web",)),
        ("environments/prod/web", "web", ("prod/web",)),
        ("web", ".", ("dev/web", "prod/web")),
        ("api", "web", ("prod/api",)),
    ],
)
def test_selectors(root: Path, selector: str, cwd: str, apps: tuple[str, ...]):
    assert found(root, selector, cwd=cwd) == apps


def test_an_absolute_path_is_a_selector(root: Path):
    assert found(root, str(root / "environments/dev")) == ("dev/web",)


def test_several_selectors_name_each_app_once_in_order(root: Path):
    assert found(root, "web", "prod", "prod/web") == APPS


@pytest.mark.parametrize(
    ("selector", "hint"),
    [
        ("wbe", "did you mean web"),
        ("prdo/web", "did you mean prod/web"),
        ("environments/prod/wep", "did you mean prod/web"),
        ("something", "there are dev/web, prod/api, prod/web"),
        ("environments/prod/old", "its manifests are gone: restore them with git, or rollstep remove"),
        ("environments/prod/docs", "the folder has no manifests"),
    ],
)
def test_an_unknown_selector_is_a_usage_error(root: Path, selector: str, hint: str):
    with pytest.raises(UsageError) as error:
        found(root, "web", selector)
    assert error.value.exit_code == 2
    (finding,) = error.value.findings
    assert selector in finding.message
    assert hint in finding.hint


def test_a_repository_without_apps_leads_to_init(tmp_path: Path):
    with pytest.raises(RollstepError, match="rollstep init"):
        found(tmp_path)
    with pytest.raises(UsageError, match="rollstep init"):
        found(tmp_path, "web")


def test_the_folder_of_environments_is_a_setting(root: Path):
    (root / "environments").rename(root / "deploy")
    write(root / "rollstep.yaml", "environmentsPath: deploy\n")
    apps = find_apps(root, load_settings(root), ["deploy/prod"], root)
    assert [app.folder for app in apps] == [root / "deploy/prod/api", root / "deploy/prod/web"]


def test_an_app_of_a_command_needs_no_folder(root: Path):
    write(root / "rollstep.yaml", "environments: {stage: {apps: {shop: {source: {kustomize: overlays/stage}}}}}\n")
    assert found(root) == (*APPS, "stage/shop")
    assert found(root, "stage") == ("stage/shop",)


def test_settings_of_unknown_apps_are_findings_with_positions(root: Path):
    text = "environments:\n  prdo: {}\n  prod:\n    apps:\n      wbe: {}\napps:\n  ap: {}\n  web: {}\n"
    write(root / "rollstep.yaml", text)
    assert found(root, "prod/web") == ("prod/web",)
    findings = unknown_names(root, load_settings(root))
    assert [(finding.line, finding.field, finding.hint) for finding in findings] == [
        (2, "environments.prdo", "did you mean prod?"),
        (5, "environments.prod.apps.wbe", "did you mean web?"),
        (7, "apps.ap", "did you mean api?"),
    ]


def test_an_app_may_be_a_link_within_the_repository(root: Path):
    (root / "environments/dev/api").symlink_to(root / "environments/prod/api", target_is_directory=True)
    assert found(root) == ("dev/api", *APPS)


@pytest.mark.parametrize("selector", ["environments/prod/web", "prod/web", "web/rollout.yaml"])
def test_only_named_folders_are_searched(root: Path, monkeypatch: pytest.MonkeyPatch, selector: str):
    looked: list[str] = []

    def look(folder: Path, output: str, within: Path) -> Iterator[Path]:
        looked.append(folder.name)
        return manifest_files(folder, output, Folder(within))

    monkeypatch.setattr("renderer.pipeline.load.discover.manifest_files", look)
    cwd = root / "environments/prod" if selector.startswith("web") else root
    (app,) = find_apps(root, load_settings(root), [selector], cwd)
    assert (app.environment, app.name, looked) == ("prod", "web", ["web"])


def test_a_folder_without_manifests_leaves_its_name_to_an_app(root: Path):
    (root / "environments/web/nothing").mkdir(parents=True)
    assert {app.name for app in find_apps(root, load_settings(root), ["web"], root)} == {"web"}


def test_a_file_is_of_each_app_that_is_a_link_to_its_folder(root: Path):
    (root / "environments/staging").mkdir()
    (root / "environments/staging/web").symlink_to(root / "environments/prod/web", target_is_directory=True)
    assert found(root, "environments/prod/web/rollout.yaml") == ("prod/web", "staging/web")


def test_links_to_folders_are_apps_and_are_named_by_where_they_lead(root: Path) -> None:
    write(root / "elsewhere/shop/rollout.yaml")
    (root / "environments/prod/shop").symlink_to(root / "elsewhere/shop")
    (root / "environments/qa").symlink_to(root / "environments/dev")
    assert found(root) == ("dev/web", "prod/api", "prod/shop", "prod/web", "qa/web")
    assert found(root, "elsewhere") == ("prod/shop",)
    assert found(root, "environments/dev/web") == ("dev/web", "qa/web")
    assert found(root, "environments/qa") == ("dev/web", "qa/web")


def orphans(root: Path, *selectors: str, apps: Sequence[AppRef] = ()) -> list[str]:
    return [orphan.target for orphan in find_orphans(root, load_settings(root), selectors, root, apps)]


def test_an_app_that_has_lost_its_manifests_is_an_orphan(root: Path) -> None:
    assert orphans(root) == ["prod/old"]
    assert orphans(root, "prod") == ["prod/old"]
    assert orphans(root, "old") == ["prod/old"]
    assert orphans(root, "environments/prod/old") == ["prod/old"]
    assert orphans(root, "dev", "prod/web") == []
    assert orphans(root, apps=all_apps(root, load_settings(root))) == ["prod/old"]
    (root / "environments/prod/old/status.yaml").unlink()
    assert orphans(root) == []
    write(root / "environments/prod/old/rendered/.rollstep")
    assert orphans(root) == ["prod/old"]
    write(root / "environments/prod/old/rollout.yaml")
    assert orphans(root) == []


def test_orphans_alone_are_named_in_place_of_apps(root: Path) -> None:
    for app in APPS:
        (root / "environments" / app / "rollout.yaml").unlink()
    with pytest.raises(RollstepError, match=r"prod/old has no manifests any more \(.*rollstep remove prod/old\)"):
        found(root)


def test_settings_of_an_orphan_name_the_command_that_removes_it(root: Path) -> None:
    write(root / "rollstep.yaml", "environments: {prod: {apps: {old: {}}}}\n")
    (finding,) = unknown_names(root, load_settings(root))
    assert finding.field == "environments.prod.apps.old"
    assert "rollstep remove old" in finding.hint
