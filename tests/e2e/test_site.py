"""The site in real Chromium: what is on its pages, no request elsewhere, dark mode, keyboard, accessibility."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browser import build as browser
from tests.support.metrics import bad_after, metrics_server
from tests.support.site_story import BAD, HOSTILE, REASON, measured_story, story

REFERENCES = Path(__file__).parent / "browser"
MOST_DIFFERENCE = 0.03
"""The most that a picture may differ from its reference, which another machine's fonts do not reach."""
PAGES = (
    "index.html",
    "environments/prod/index.html",
    "environments/dev/index.html",
    "apps/prod/web/index.html",
    "apps/prod/web/3.html",
    "apps/prod/web/5.html",
    "apps/prod/api/index.html",
    "dora.html",
)


class Browser:
    """Chromium, which makes visits to the pages of a site."""

    def __init__(self, site: Path) -> None:
        self.site = site
        found = shutil.which("chromium")
        assert found, "install chromium: apt-get install chromium"
        node = shutil.which("node")
        assert node, "install Node.js 20 or newer: apt-get install nodejs npm"
        self._command = [node, str(REFERENCES / "look.mjs"), str(browser.installed()), found]

    def visit(self, *visits: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what each visit finds; ``page`` is the path of a page of the site."""
        asked = [{"url": visit.get("url") or (self.site / visit["page"]).as_uri(), **visit} for visit in visits]
        done = subprocess.run(self._command, input=json.dumps(asked), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """Return a browser with the site of the story."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "repository").mkdir()
    story(folder / "repository").run("site", "--out", str(folder / "a site"))
    return Browser(folder / "a site")


@pytest.fixture(scope="module")
def served(chromium: Browser) -> Iterator[str]:
    """Return the address of the site below a path, on the loopback device."""
    folder = chromium.site.parent
    (folder / "served").mkdir()
    shutil.copytree(chromium.site, folder / "served/below/a path")
    command = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", "served", "0"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().split(" port ")[1].split()[0]
        yield f"http://127.0.0.1:{port}/below/a%20path"
        server.terminate()


def test_no_page_has_a_fault_at_any_size_in_any_colors(chromium: Browser) -> None:
    pages = (*PAGES, f"apps/prod/{HOSTILE}/index.html")
    visits = [
        {"page": page, "width": width, "scheme": scheme, "axe": True}
        for page in pages
        for width in (390, 1280)
        for scheme in ("light", "dark")
    ]
    for visit, found in zip(visits, chromium.visit(*visits), strict=True):
        assert found["violations"] == [], visit
        assert found["passes"] > 15, visit
        assert found["errors"] == [], visit
        assert found["width"] <= visit["width"], visit
        assert all(url.startswith(chromium.site.as_uri()) for url in found["requests"]), visit


def test_measurements_and_the_quarantine_have_no_fault(tmp_path: Path) -> None:
    with metrics_server(bad_after(BAD)) as server:
        measured_story(tmp_path / "repository", server.address).run("site", "--out", str(tmp_path / "site"))
    pages = (
        "index.html",
        "environments/prod/index.html",
        *(f"apps/prod/web/{name}.html" for name in ("index", "2", "3")),
    )
    visits = [
        {"page": page, "width": width, "scheme": scheme, "axe": True, "read": ["main"]}
        for page in pages
        for width in (390, 1280)
        for scheme in ("light", "dark")
    ]
    for visit, found in zip(visits, Browser(tmp_path / "site").visit(*visits), strict=True):
        assert found["violations"] == [], visit
        assert found["errors"] == [], visit
        assert found["width"] <= visit["width"], visit
        assert "in quarantine" in found["texts"]["main"] or "[0." in found["texts"]["main"], visit


def test_axe_finds_a_fault(chromium: Browser, tmp_path: Path) -> None:
    page = tmp_path / "wrong.html"
    page.write_text("<title>x</title><img src=x><p style='color:#ccc'>pale</p>", encoding="utf-8")
    (found,) = chromium.visit({"url": page.as_uri(), "axe": True})
    rules = {text.partition(":")[0] for text in found["violations"]}
    assert {"image-alt", "color-contrast", "html-has-lang"} <= rules


def test_dark_is_dark(chromium: Browser) -> None:
    light, dark = chromium.visit({"page": "index.html"}, {"page": "index.html", "scheme": "dark"})
    assert light["background"] == "rgb(255, 255, 255)"
    assert dark["background"] == "rgb(20, 24, 28)"


def test_what_is_on_the_pages(chromium: Browser) -> None:
    index, aborted, running = chromium.visit(
        {"page": "index.html", "read": ["h1", "table"]},
        {"page": "apps/prod/web/3.html", "read": ["h1", ".problem", ".timeline"]},
        {"page": "apps/prod/web/5.html", "read": ["h1", ".timeline", "#plan", ".picture"]},
    )
    assert index["title"] == "Releases – rollstep"
    assert HOSTILE in index["texts"]["table"]
    assert "1.1.0 → 1.3.0" in index["texts"]["table"]
    assert aborted["texts"]["h1"] == "1.2.0 of web in prod"
    assert REASON in aborted["texts"][".problem"]
    assert "Healthy again" in aborted["texts"][".problem"]
    assert "merged by Grace" in running["texts"][".timeline"]
    assert running["texts"]["#plan"] == "Plan"


def test_the_search_needs_only_keys(chromium: Browser) -> None:
    keys = ["/", "type:web paused", "wait:#results li", "Tab"]
    opened = {"page": "apps/prod/api/index.html", "keys": keys, "read": ["#found", "#results"]}
    (found,) = chromium.visit(opened)
    assert found["focus"][0][:2] == ["INPUT", "query"]
    assert found["texts"]["#found"] == "1 app"
    assert found["texts"]["#results"] == "web in prod 1.1.0 1.3.0, Paused"
    assert found["focus"][-1][0] == "A"
    (followed,) = chromium.visit({**opened, "keys": [*keys, "follow"], "read": ["h1"]})
    assert followed["texts"]["h1"] == "web in prod"
    keys = ["/", "type:<img", "wait:#results li", "Tab", "follow"]
    (name,) = chromium.visit({"page": "index.html", "keys": keys, "read": ["h1"]})
    assert name["texts"]["h1"] == f"{HOSTILE} in prod"
    assert name["errors"] == []


def test_the_first_key_leads_past_the_header_and_focus_is_seen(chromium: Browser) -> None:
    keys = ["Tab", "Enter", "Tab"]
    (found,) = chromium.visit({"page": "index.html", "keys": keys})
    assert found["focus"][0][2] == "Skip to the content"
    assert found["focus"][0][3] == "solid"
    assert found["focus"][1][:2] == ["MAIN", "content"]
    assert found["url"].endswith("#content")
    assert found["focus"][2][3] == "solid"


def test_two_steps_are_compared(chromium: Browser) -> None:
    page, read = "apps/prod/web/5.html", ["#compared", "#from option"]
    (first,) = chromium.visit({"page": page, "read": read})
    choices = first["texts"]["#from option"].split("\n")
    assert choices[0] == "before the release"
    assert "replicas: 2" in first["texts"]["#compared"]
    (same, back) = chromium.visit(
        {"page": page, "read": read, "select": {"#from": choices[1], "#to": choices[1]}},
        {"page": page, "read": read, "select": {"#from": choices[2], "#to": choices[1]}},
    )
    assert same["texts"]["#compared"] == "No manifest differs between these steps."
    assert '-    nginx.ingress.kubernetes.io/canary-weight: "40"' in back["texts"]["#compared"]


def test_pages_are_read_without_javascript(chromium: Browser) -> None:
    index, release = chromium.visit(
        {"page": "index.html", "script": False, "read": ["main"]},
        {"page": "apps/prod/web/5.html", "script": False, "read": ["main", "#compare"]},
    )
    assert index["visible"] is False
    assert "1.3.0" in index["texts"]["main"]
    assert "Compare two steps" not in release["texts"]["main"]
    assert "Changes of 2 files" in release["texts"]["main"]


def test_the_site_works_below_a_path_and_asks_nobody_else(chromium: Browser, served: str) -> None:
    pages = [f"{served}/{page}" for page in PAGES]
    keys = {"keys": ["/", "type:web", "wait:#results li"]}
    for found in chromium.visit(*({"url": url, **keys, "read": ["#found"]} for url in pages)):
        assert found["errors"] == []
        assert found["texts"]["#found"].endswith("apps")
        assert all(url.startswith(f"{served}/") for url in found["requests"])
        assert len(found["requests"]) >= 5


@pytest.mark.parametrize(
    ("page", "width", "scheme"),
    [("index.html", 1280, "light"), ("apps/prod/web/3.html", 390, "dark"), ("apps/prod/web/5.html", 1280, "light")],
)
def test_a_page_looks_as_its_picture(chromium: Browser, tmp_path: Path, page: str, width: int, scheme: str) -> None:
    name = f"{page.removesuffix('.html').replace('/', '-')}-{width}-{scheme}.png"
    visit = {"page": page, "width": width, "scheme": scheme, "picture": str(tmp_path / name)}
    (found,) = chromium.visit({**visit, "reference": str(REFERENCES / "pictures" / name)})
    assert found["difference"] < MOST_DIFFERENCE, f"look at {tmp_path / name}"
    bare = tmp_path / "bare"
    shutil.copytree(chromium.site, bare)
    (bare / "site.css").write_text("", encoding="utf-8")
    broken = {**visit, "url": (bare / page).as_uri(), "picture": str(tmp_path / f"bare-{name}")}
    (unstyled,) = chromium.visit({**broken, "reference": str(REFERENCES / "pictures" / name)})
    assert unstyled["difference"] > MOST_DIFFERENCE
