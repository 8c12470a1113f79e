"""``rollstep site`` writes pages that are well formed, escape everything, and are made again only where they change."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator

from renderer.pipeline.write.new_files import NewFiles
from renderer.pipeline.write.transaction import Transaction
from tests.support.commands import PROJECT, Checkout
from tests.support.site_check import Page, faults
from tests.support.site_story import HOSTILE, IMAGE, REASON, do, story

ATOM = "{http://www.w3.org/2005/Atom}"
WEB = "apps/prod/web"
pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, Path]:
    """Return the repository of the story and its site."""
    folder = tmp_path_factory.mktemp("story")
    (folder / "repository").mkdir()
    made = story(folder / "repository")
    made.run("site", "--out", str(folder / "site"))
    return made, folder / "site"


@pytest.fixture
def site(told: tuple[Checkout, Path]) -> Path:
    """Return the site of the story, to read."""
    return told[1]


@pytest.fixture
def copied(told: tuple[Checkout, Path], tmp_path: Path) -> tuple[Checkout, Path]:
    """Return a copy of the repository and of its site, to change."""
    shutil.copytree(told[1], tmp_path / "site")
    return told[0].copy(tmp_path / "repository"), tmp_path / "site"


def files(site: Path) -> dict[str, bytes]:
    return {str(path.relative_to(site)): path.read_bytes() for path in sorted(site.rglob("*")) if path.is_file()}


def made(checkout: Checkout, site: Path, code: int = 0) -> Mapping[str, Any]:
    (entry,) = json.loads(checkout.run("site", "--out", str(site), "-o", "json", code=code).stdout)
    return dict(entry)


def releases(site: Path, app: str = "web") -> dict[str, Any]:
    found = json.loads((site / "releases.json").read_text(encoding="utf-8"))
    return {entry["id"]: entry for entry in found if (entry["environment"], entry["app"]) == ("prod", app)}


def text(site: Path, page: str) -> str:
    return " ".join(Page(site / page).text.split())


def test_every_page_is_well_formed_and_every_link_leads_on(site: Path) -> None:
    assert len(list(site.rglob("*.html"))) > 12
    assert list(faults(site)) == []


def test_the_check_finds_faults(site: Path, tmp_path: Path) -> None:
    shutil.copytree(site, tmp_path / "site")
    page = tmp_path / "site" / WEB / "3.html"
    before = page.read_text(encoding="utf-8")
    for wrong, fault in (
        ("<script>alert(1)</script>", "<script> with a text"),
        ("<b>bold</b>", "<b> is no element"),
        ('<a href="gone.html">x</a>', "leads to gone.html"),
        ('<a href="#gone">x</a>', "there is no such place"),
        ('<a href="https://example.org/">x</a>', "leads to https://example.org/"),
        ('<script src="https://example.org/x.js"></script>', "loads https://example.org/x.js"),
        ('<p onclick="x()">x</p>', "<p onclick>"),
        ("<p>", "</main> closes nothing"),
    ):
        page.write_text(before.replace("</main>", f"{wrong}</main>"), encoding="utf-8")
        assert any(fault in found for found in faults(tmp_path / "site")), wrong


def test_hostile_names_are_text(site: Path) -> None:
    index, page = text(site, "index.html"), f"apps/prod/{HOSTILE}/index.html"
    assert HOSTILE in index
    assert HOSTILE in text(site, page)
    aborted = text(site, f"{WEB}/3.html")
    assert REASON in aborted
    assert "by Grace" not in aborted
    assert "Sale <b>" in text(site, "environments/dev/index.html")
    for path in site.rglob("*.html"):
        assert HOSTILE not in path.read_text(encoding="utf-8"), path
    found = json.loads((site / "search.js").read_text(encoding="utf-8").removeprefix("rollstep.apps = ")[:-2])
    assert ["prod", HOSTILE, "1.0.0", "Complete"] in found


def test_characters_that_show_nothing_are_replaced(copied: tuple[Checkout, Path]) -> None:
    checkout, site = copied
    do(checkout, "2026-03-04T09:00:00Z", "abort", "prod/web")
    message = "Aborted \u202egnorw, \x1b[31m said"
    checkout.git("commit", "--quiet", "--amend", f"--message={message}", "--trailer=Rollstep-App: web")
    made(checkout, site)
    page = (site / WEB / "5.html").read_text(encoding="utf-8")
    assert "Aborted \ufffdgnorw, \ufffd[31m said" in page
    feed = (site / "environments/prod/feed.xml").read_text(encoding="utf-8")
    assert "Aborted \ufffdgnorw, \ufffd[31m said" in feed
    ElementTree.fromstring(feed)


def test_a_page_shows_what_became_of_a_release(site: Path) -> None:
    found = releases(site)
    outcomes = {name: (entry["outcome"], entry["version"]) for name, entry in found.items()}
    assert outcomes == {
        "1": ("Complete", "1.0.0"),
        "2": ("Complete", "1.1.0"),
        "3": ("Aborted", "1.2.0"),
        "4": ("Complete", "1.1.0"),
        "5": ("InProgress", "1.3.0"),
    }
    assert [name for name, entry in found.items() if entry["isRollback"]] == ["4"]
    weights = [(commit["weight"], commit["maxTrafficWeight"]) for commit in found["3"]["commits"]]
    assert weights == [(20, 100), (0, 100)]
    assert found["2"]["commits"][-1]["weight"] == 100
    (abort,) = found["3"]["aborts"]
    assert abort["reason"].startswith(REASON)
    assert (abort["time"], abort["restored"]) == ("2026-03-02T09:30:00Z", "2026-03-02T10:00:00Z")
    assert (found["2"]["leadTimeSeconds"], found["2"]["durationSeconds"]) == (40 * 60, 40 * 60)
    assert (found["3"]["changed"], found["3"]["leadTimeSeconds"]) == ("2026-03-02T07:30:00Z", None)
    page = text(site, f"{WEB}/3.html")
    assert "Healthy again 2026-03-02 10:00 UTC, after 30m." in page
    assert "selects" in page
    assert "step 1/6" in page


def test_a_step_of_a_pull_request_links_both(site: Path) -> None:
    commit = releases(site)["5"]["commits"][-1]
    assert commit["time"] == "2026-03-03T11:00:00Z"
    assert (commit["currentStepIndex"], commit["steps"], commit["weight"], commit["pause"]) == (
        3,
        6,
        40,
        "CanaryPauseStep",
    )
    request = commit["pullRequest"]
    assert (request["number"], request["mergedBy"]) == (12, "Grace")
    assert request["url"] == "https://github.com/example/shop/pull/12"
    assert commit["url"] == f"https://github.com/example/shop/commit/{commit['commit']}"
    assert commit["commit"] != request["mergeCommit"]
    page = Page(site / WEB / "5.html")
    assert {request["url"], commit["url"]} <= set(page.links)
    assert "pull request 12 merged by Grace" in " ".join(page.text.split())


def test_a_release_under_way_shows_what_comes(site: Path) -> None:
    page = (site / WEB / "5.html").read_text(encoding="utf-8")
    assert '<svg class="rs" role="img"' in page
    assert "setWeight: 60" in text(site, f"{WEB}/5.html")
    assert "to come: promoted" in page
    assert 'class="rs"' not in (site / WEB / "3.html").read_text(encoding="utf-8")
    assert "2.1.0 waits" in text(site, "apps/prod/api/index.html")


def test_any_two_steps_can_be_compared(site: Path) -> None:
    data = json.loads((site / WEB / "5.js").read_text(encoding="utf-8").removeprefix("rollstep.diffs = ")[:-2])
    options = (site / WEB / "5.html").read_text(encoding="utf-8").split('id="from"')[1].split("</select>")[0]
    assert options.count("<option") == len(data["steps"]) > 4
    name = "ingress-web-web-canary.yaml"
    numbers = [step[name] for step in data["steps"]]
    for old in numbers:
        for new in numbers:
            assert (f"{old}-{new}" in data["diffs"][name]) == (old != new)
    (first, last) = numbers[1], numbers[2]
    assert '+    nginx.ingress.kubernetes.io/canary-weight: "40"' in data["diffs"][name][f"{first}-{last}"]
    assert '-    nginx.ingress.kubernetes.io/canary-weight: "40"' in data["diffs"][name][f"{last}-{first}"]


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "repository")
    checkout.edit("rollstep.yaml", "defaults:\n", "defaults:\n  allow: [plain-secrets]\n")
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: web}\nstringData: {password: %s}\n"
    file = checkout.root / "environments/prod/web/secret.yaml"
    for time, word in (("2026-03-01T09:00:00Z", "first-hunter2"), ("2026-03-01T10:00:00Z", "second-hunter2")):
        file.write_text(secret % word, encoding="utf-8")
        checkout.commit("A secret")
        do(checkout, time, "set", "image", "prod/web", f"web={IMAGE.format(time[12])}")
    site = tmp_path / "site"
    made(checkout, site)
    assert "hunter2" in (checkout.root / "environments/prod/web/rendered/secret-web.yaml").read_text(encoding="utf-8")
    found = files(site)
    assert [name for name, content in found.items() if b"hunter2" in content] == []
    assert b"+SHA-256 " in found[f"{WEB}/2.html"]


def test_releases_json_fits_its_schema(site: Path) -> None:
    schema = json.loads((site / "releases.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    found = json.loads((site / "releases.json").read_text(encoding="utf-8"))
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert [error.message for error in validator.iter_errors(found)] == []
    assert len(found) > 6
    assert [entry["began"] for entry in found] == sorted((entry["began"] for entry in found), reverse=True)
    assert not validator.is_valid([{**found[0], "outcome": "Lost"}])


def test_each_environment_has_a_feed(site: Path) -> None:
    root = ElementTree.parse(site / "environments/prod/feed.xml").getroot()
    entries = root.findall(f"{ATOM}entry")
    titles = [entry.findtext(f"{ATOM}title") for entry in entries]
    assert titles[0] == "web (prod): promote, step 3/6, 40% to 1.3.0 (5d896978c6)"
    assert REASON in titles
    ids = [entry.findtext(f"{ATOM}id") for entry in entries]
    assert (
        len(set(ids))
        == len(ids)
        == sum(len(entry["commits"]) for app in ("web", "api", HOSTILE) for entry in releases(site, app).values())
    )
    link = entries[0].find(f"{ATOM}link")
    assert link is not None
    assert (site / "environments/prod" / link.attrib["href"]).resolve() == site / WEB / "5.html"
    assert root.findtext(f"{ATOM}updated") == "2026-03-03T11:00:00Z"


def test_the_same_repository_makes_the_same_bytes(told: tuple[Checkout, Path], tmp_path: Path) -> None:
    checkout, site = told
    subprocess.run(["git", "clone", "--quiet", str(checkout.root), str(tmp_path / "clone")], check=True)
    subprocess.run(["git", "-C", tmp_path / "clone", "remote", "set-url", "origin", "https://github.com/example/shop"])
    variables = {**os.environ, "TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "7", "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", "renderer", "site", "--out", str(tmp_path / "site")]
    subprocess.run(command, cwd=tmp_path / "clone", env=variables, check=True, capture_output=True)
    assert files(tmp_path / "site") == files(site)


def test_only_what_has_changed_is_made_again(copied: tuple[Checkout, Path], tmp_path: Path) -> None:
    checkout, site = copied
    assert made(checkout, site)["written"] == 0
    kept = {path: (site / path).stat().st_ino for path in files(site)}
    do(checkout, "2026-03-04T09:00:00Z", "promote", "prod/web")
    entry = made(checkout, site)
    changed = {path for path in files(site) if kept.get(path) != (site / path).stat().st_ino}
    apps = {path for path in changed if path.startswith("apps/")}
    assert apps == {f"{WEB}/index.html", f"{WEB}/5.html", f"{WEB}/5.js"}
    assert entry["written"] == len(changed) - 1
    made(checkout, tmp_path / "fresh")
    assert files(site) == files(tmp_path / "fresh")


@pytest.mark.parametrize("what", ["settings", "freeze", "rewritten history", "lost page", "template elsewhere"])
def test_other_inputs_make_pages_again(copied: tuple[Checkout, Path], tmp_path: Path, what: str) -> None:
    checkout, site = copied
    if what == "settings":
        checkout.edit("rollstep.yaml", 'tag: "1.0.0"', 'tag: "1.9.0"')
    elif what == "freeze":
        until = ("--until", "2026-05-01T00:00:00Z", "--reason", "All")
        checkout.run("freeze", "add", *until, "--now", "2026-03-04T09:00:00Z")
    elif what == "rewritten history":
        checkout.git("reset", "--quiet", "--hard", "HEAD~4")
    elif what == "lost page":
        (site / WEB / "2.html").unlink()
    else:
        app = checkout.root / "environments/dev/web/web.yaml.j2"
        (checkout.root / "shared").mkdir()
        (checkout.root / "shared/tag.j2").write_text("1.0.0", encoding="utf-8")
        text_of_app = app.read_text(encoding="utf-8").replace("{{ tag }}", '{% include "shared/tag.j2" +%}')
        app.write_text(text_of_app, encoding="utf-8")
        checkout.commit("Share the tag")
        made(checkout, site)
        assert "1.9.0 waits" not in text(site, "apps/dev/web/index.html")
        (checkout.root / "shared/tag.j2").write_text("1.9.0", encoding="utf-8")
    if checkout.git("status", "--porcelain"):
        checkout.commit("Change something else")
    made(checkout, site)
    made(checkout, tmp_path / "fresh")
    assert files(site) == files(tmp_path / "fresh")
    if what in ("settings", "template elsewhere"):
        assert "1.9.0 waits" in text(site, "apps/dev/web/index.html")
    if what == "freeze":
        assert "Frozen until 2026-05-01 00:00 UTC: All" in text(site, f"{WEB}/index.html")


def test_an_app_that_is_gone_takes_its_pages_along(copied: tuple[Checkout, Path]) -> None:
    checkout, site = copied
    (site / "CNAME").write_text("releases.example.com", encoding="utf-8")
    (site / WEB / "notes.txt").write_text("mine", encoding="utf-8")
    checkout.git("rm", "-r", "--quiet", "environments/prod/web", "environments/dev")
    checkout.commit("Remove apps")
    entry = made(checkout, site)
    assert entry["removed"] > 5
    assert [path.name for path in (site / WEB).iterdir()] == ["notes.txt"]
    assert (site / "CNAME").read_text(encoding="utf-8") == "releases.example.com"
    assert not (site / "apps/dev").exists()
    assert not (site / "environments/dev").exists()
    assert list(faults(site)) == []


def test_a_file_of_somebody_else_is_never_written(told: tuple[Checkout, Path], tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    for name in ("index.html", "other.html"):
        (tmp_path / "site" / name).write_text("mine", encoding="utf-8")
    error = told[0].run("site", "--out", str(tmp_path / "site"), code=1).stderr
    assert "index.html: would be overwritten by a page of the site, but rollstep did not write it" in error
    assert files(tmp_path / "site") == {"index.html": b"mine", "other.html": b"mine"}


def test_a_damaged_marker_is_refused(copied: tuple[Checkout, Path]) -> None:
    checkout, site = copied
    marker = site / ".rollstep-site"
    content = json.loads(marker.read_text(encoding="utf-8"))
    content["files"]["../outside"] = "0"
    for wrong in (json.dumps(content), "{"):
        marker.write_text(wrong, encoding="utf-8")
        assert ".rollstep-site" in checkout.run("site", "--out", str(site), code=1).stderr


def test_an_interrupted_run_is_undone_first(copied: tuple[Checkout, Path]) -> None:
    checkout, site = copied
    before = files(site)
    with NewFiles(site) as new_files:
        transaction = Transaction(new_files)
        transaction.write("index.html", "half").delete(f"{WEB}/2.html")
        transaction.prepare()
        transaction.apply()
    assert files(site) != before
    assert "an earlier run was interrupted: 2 files put back" in checkout.run("site", "--out", str(site)).stderr
    assert files(site) == before


def test_an_app_that_cannot_be_read_says_why(copied: tuple[Checkout, Path]) -> None:
    checkout, site = copied
    checkout.edit("environments/prod/api/rollout.yaml", "kind: Rollout", "kind: Rollouts")
    checkout.git("rm", "-r", "--quiet", *(f"environments/dev/web/{name}" for name in ("web.yaml.j2",)))
    checkout.commit("Break the api")
    entry = made(checkout, site, code=1)
    assert entry["written"] > 0
    assert "Cannot be read" in text(site, "apps/prod/api/index.html")
    assert "Unreadable" in text(site, "index.html")
    assert "Orphaned" in text(site, "apps/dev/web/index.html")
    assert "rollstep remove dev/web" in text(site, "apps/dev/web/index.html")
    assert "History" in text(site, "apps/prod/api/index.html")
    assert list(faults(site)) == []
    checkout.git("revert", "--no-edit", "HEAD")
    made(checkout, site)
    assert "Cannot be read" not in text(site, "apps/prod/api/index.html")


def test_a_repository_without_releases_has_a_site(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "repository")
    entry = made(checkout, tmp_path / "site")
    assert entry["commit"] == checkout.head
    assert list(faults_without_forge(tmp_path / "site")) == []
    assert "Not begun" in text(tmp_path / "site", f"{WEB}/index.html")
    assert json.loads((tmp_path / "site/releases.json").read_text(encoding="utf-8")) == []


def faults_without_forge(site: Path) -> list[str]:
    assert not any("https://" in link for path in site.rglob("*.html") for link in Page(path).links)
    return list(faults(site))


def test_what_has_no_history_is_refused(tmp_path: Path, told: tuple[Checkout, Path]) -> None:
    url = told[0].root.as_uri()
    subprocess.run(["git", "clone", "--quiet", "--depth=2", url, str(tmp_path / "shallow")], check=True)
    (tmp_path / "empty").mkdir()
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "empty")], check=True)
    for name, message in (("shallow", "the clone is shallow"), ("empty", "there is no commit yet")):
        checkout = told[0].copy(tmp_path / f"{name}-copy")
        checkout.root = tmp_path / name
        error = checkout.run("site", "--out", str(tmp_path / "site"), code=1).stderr
        assert message in error
        assert not (tmp_path / "site").exists()


def test_an_uncommitted_change_is_not_shown(copied: tuple[Checkout, Path]) -> None:
    checkout, site = copied
    before = files(site)
    checkout.edit("environments/prod/api/rollout.yaml", "api:2.1.0", "api:7.7.7")
    (site / ".rollstep-site").unlink()
    shutil.rmtree(site)
    made(checkout, site)
    assert files(site) == before
