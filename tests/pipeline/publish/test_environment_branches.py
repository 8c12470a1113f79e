"""A branch for each environment: its tree, its history, where it came from, and when it is refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from renderer.git.remote import parse_url, without_password
from renderer.git.repository import Repository
from tests.support.commands import NOON, TWO, Checkout

SETTINGS = "environments:\n  prod: {commit: {environmentBranch: 'env/${environment}'}}\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path)
    settings = made.root / "rollstep.yaml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.partition("environments:")[0] + SETTINGS, encoding="utf-8")
    made.git("rm", "-rq", "environments/dev")
    made.commit("Give prod a branch")
    return made


def files(checkout: Checkout, ref: str) -> list[str]:
    return checkout.git("ls-tree", "-r", "--name-only", ref).split()


def advance(checkout: Checkout, *arguments: str, now: str = NOON) -> subprocess.CompletedProcess[str]:
    return checkout.run("advance", *arguments, "--now", now, "--no-validate")


def test_the_branch_has_what_is_rendered_and_the_status_and_nothing_else(checkout: Checkout) -> None:
    done = advance(checkout, "prod/web")
    source = checkout.head
    tip = checkout.git("rev-parse", "env/prod").strip()
    assert f"[env/prod {tip[:9]}] web (prod): " in done.stdout
    rendered = [name for name in files(checkout, "env/prod") if not name.endswith("hydrator.metadata")]
    folder = checkout.root / "environments" / "prod"
    expected = ["web/status.yaml", *(f"web/rendered/{path.name}" for path in (folder / "web" / "rendered").iterdir())]
    assert rendered == sorted(expected)
    for name in rendered:
        assert checkout.git("show", f"env/prod:{name}") == (folder / name).read_text(encoding="utf-8")
    assert source == checkout.head
    assert checkout.git("status", "--porcelain") == ""


def test_source_and_rendered_commit_lead_to_each_other(checkout: Checkout) -> None:
    checkout.git("remote", "add", "origin", "https://me:secret-word@git.example.com/shop/web.git")
    advance(checkout, "prod/web")
    source, tip = checkout.head, checkout.git("rev-parse", "env/prod").strip()
    message = checkout.git("log", "-1", "--format=%B", "env/prod")
    assert message.splitlines()[0] == checkout.subjects[0]
    trailers = checkout.git("log", "-1", "--format=%(trailers:only)", "env/prod").split("\n")
    assert f"Rollstep-Source: {source}" in trailers
    assert "Rollstep-App: web" in trailers
    metadata = json.loads(checkout.git("show", "env/prod:hydrator.metadata"))
    assert list(metadata) == ["repoURL", "drySha", "author", "date", "subject", "body"]
    assert metadata["repoURL"] == "https://git.example.com/shop/web.git"
    assert metadata["drySha"] == source
    assert metadata["author"] == "rollstep <rollstep@example.com>"
    assert metadata["date"] == NOON
    assert metadata["subject"] == checkout.subjects[0]
    own = json.loads(checkout.git("show", "env/prod:web/hydrator.metadata"))
    assert own == {
        "repoURL": metadata["repoURL"],
        "drySha": source,
        "commands": ["rollstep render prod/web"],
    }
    note = checkout.git("notes", "--ref=hydrator.metadata", "show", tip).strip()
    assert note == json.dumps({"drySha": source}, separators=(",", ":"))
    assert checkout.git("notes", "--ref=rollstep", "show", source).strip() == f"Rollstep-Rendered: env/prod {tip}"
    everything = checkout.git("log", "--all", "--format=%B") + checkout.git("show", "env/prod:hydrator.metadata")
    assert "secret-word" not in everything


def test_each_step_is_a_commit_on_the_one_before(checkout: Checkout) -> None:
    advance(checkout, "prod/web")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", "2026-03-01T13:00:00Z", "--no-validate")
    checkout.run("promote", "prod/web", "--now", "2026-03-01T14:00:00Z", "--no-validate")
    subjects = checkout.git("log", "--format=%s", "env/prod").splitlines()
    assert subjects == checkout.subjects[:3]
    assert checkout.git("log", "--format=%ct", "-1", "env/prod") == checkout.git("log", "--format=%ct", "-1")
    trees = [checkout.git("rev-parse", f"env/prod~{back}:web/rendered").strip() for back in range(3)]
    assert trees == [
        checkout.git("rev-parse", f"main~{back}:environments/prod/web/rendered").strip() for back in range(3)
    ]


def test_the_same_sources_give_the_same_commits(checkout: Checkout) -> None:
    advance(checkout, "prod/web")
    first = checkout.git("rev-parse", "env/prod").strip()
    checkout.git("branch", "--delete", "--force", "env/prod")
    advance(checkout, "prod/web", now="2026-03-05T12:00:00Z")
    assert checkout.git("rev-parse", "env/prod").strip() == first


def test_commits_from_elsewhere_are_rendered_too(checkout: Checkout) -> None:
    advance(checkout, "prod/web")
    old = checkout.git("rev-parse", "env/prod").strip()
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    checkout.run("promote", "prod/web", "--now", NOON, "--no-validate")
    checkout.git("update-ref", "refs/heads/env/prod", old)
    advance(checkout, "prod/web")
    assert checkout.git("log", "--format=%s", "env/prod").splitlines() == checkout.subjects[:3]


def test_what_changes_nothing_rendered_makes_no_commit_and_a_note(checkout: Checkout) -> None:
    advance(checkout, "prod/web")
    tip = checkout.git("rev-parse", "env/prod").strip()
    (checkout.root / "README.md").write_text("Read me\n", encoding="utf-8")
    checkout.commit("Say what this is")
    advance(checkout, "prod/web")
    assert checkout.git("rev-parse", "env/prod").strip() == tip
    assert json.loads(checkout.git("notes", "--ref=hydrator.metadata", "show", tip)) == {"drySha": checkout.head}


def test_a_verb_for_one_app_keeps_the_others(checkout: Checkout) -> None:
    apps = {path.name for path in (checkout.root / "environments" / "prod").iterdir()}
    assert len(apps) > 1
    advance(checkout, "--all")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    assert {name.partition("/")[0] for name in files(checkout, "env/prod")} == apps | {"hydrator.metadata"}


def test_a_dry_run_makes_no_branch(checkout: Checkout) -> None:
    before = checkout.snapshot()
    advance(checkout, "prod/web", "--dry-run")
    assert checkout.snapshot() == before
    assert "env/prod" not in checkout.git("branch", "--list", "--all")


def test_what_is_staged_or_edited_stays_so(checkout: Checkout) -> None:
    (checkout.root / "staged").write_text("staged\n", encoding="utf-8")
    checkout.git("add", "staged")
    (checkout.root / "untracked").write_text("untracked\n", encoding="utf-8")
    advance(checkout, "prod/web")
    assert checkout.git("status", "--porcelain").splitlines() == ["A  staged", "?? untracked"]
    assert "staged" not in files(checkout, "env/prod")


def test_the_remotes_branch_is_gone_on_from(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> None:
    remote = tmp_path_factory.mktemp("remote")
    checkout.git("clone", "--quiet", "--bare", str(checkout.root), str(remote))
    checkout.git("remote", "add", "origin", str(remote))
    advance(checkout, "prod/web")
    first = checkout.git("rev-parse", "env/prod").strip()
    checkout.git("push", "--quiet", "origin", "main", "env/prod")
    checkout.git("branch", "--delete", "--force", "env/prod")
    checkout.git("fetch", "--quiet", "origin")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    assert checkout.git("rev-parse", "env/prod~1").strip() == first


def refused(checkout: Checkout, *arguments: str) -> str:
    before = checkout.snapshot()
    done = checkout.run("advance", "prod/web", "--no-validate", *arguments, code=1)
    assert checkout.snapshot() == before
    return done.stderr


def test_a_branch_that_is_checked_out_is_refused(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> None:
    advance(checkout, "prod/web")
    checkout.git("worktree", "add", "--quiet", str(tmp_path_factory.mktemp("tree")), "env/prod")
    checkout.edit("environments/prod/web/rollout.yaml", "1.0.0", "2.0.0")
    checkout.commit()
    assert "env/prod: is checked out" in refused(checkout)


def test_a_branch_of_something_else_is_refused(checkout: Checkout) -> None:
    checkout.git("branch", "env/prod")
    assert "no hydrator.metadata" in refused(checkout)


def test_a_branch_from_a_lost_commit_is_refused_and_rendered_anew_by_publish(checkout: Checkout) -> None:
    advance(checkout, "prod/web")
    old = checkout.git("rev-parse", "env/prod").strip()
    checkout.git("commit", "--quiet", "--amend", "--message=Amended")
    told = refused(checkout)
    assert "not in the history of main" in told
    assert "rollstep publish prod --new-source" in told
    done = checkout.run("publish", "prod", code=1)
    assert "not in the history of main" in done.stderr
    done = checkout.run("publish", "prod", "--new-source")
    assert "[env/prod " in done.stdout
    assert checkout.git("rev-parse", "env/prod~1").strip() == old
    assert checkout.git("diff", "--name-only", "env/prod~1", "env/prod").split() == ["hydrator.metadata"]
    assert "env/prod: up to date" in checkout.run("publish", "prod").stderr
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")


def test_a_commit_that_was_amended_before_its_push_is_rendered_again(
    checkout: Checkout, tmp_path_factory: pytest.TempPathFactory
) -> None:
    remote = tmp_path_factory.mktemp("remote")
    checkout.git("clone", "--quiet", "--bare", str(checkout.root), str(remote))
    checkout.git("remote", "add", "origin", str(remote))
    advance(checkout, "prod/web", "--push")
    pushed = checkout.git("rev-parse", "env/prod").strip()
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    checkout.git("commit", "--quiet", "--amend", "--message=Amended")
    checkout.run("promote", "prod/web", "--now", NOON, "--no-validate", "--push")
    subjects = checkout.git("log", "--format=%s", f"{pushed}..env/prod").splitlines()
    assert subjects == [checkout.subjects[0], "Amended"]
    assert checkout.git("rev-parse", "origin/env/prod") == checkout.git("rev-parse", "env/prod")


def test_publish_renders_what_others_have_committed(checkout: Checkout) -> None:
    advance(checkout, "prod/web")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    tip = checkout.git("rev-parse", "env/prod").strip()
    checkout.git("update-ref", "refs/heads/env/prod", f"{tip}~1")
    done = checkout.run("publish", "--all")
    assert done.stdout == f"[env/prod {tip[:9]}] {checkout.subjects[0]}\n"
    assert checkout.git("rev-parse", "env/prod").strip() == tip
    assert "env/prod: up to date" in checkout.run("publish", "prod/web").stderr


def test_publish_needs_a_branch(checkout: Checkout) -> None:
    assert "HEAD moves no environment's branch" in checkout.run("publish", "staging", code=1).stderr


def commit_on(checkout: Checkout, branch: str, files: dict[str, str], message: str = "By hand") -> None:
    """Commit files to a branch that is not checked out."""
    folder = checkout.root / ".git" / "by-hand"
    checkout.git("worktree", "add", "--quiet", str(folder), branch)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    checkout.git("-C", str(folder), "add", "--all")
    checkout.git("-C", str(folder), "commit", "--quiet", f"--message={message}")
    checkout.git("worktree", "remove", "--force", str(folder))


def test_files_of_others_outside_of_the_apps_are_kept(checkout: Checkout) -> None:
    advance(checkout, "prod/web")
    commit_on(checkout, "env/prod", {"pipeline.yml": "jobs: []\n", ".github/workflows/sync.yml": "on: push\n"})
    for verb in (("set", "image", "prod/web", f"web={TWO}"), ("promote", "prod/web")):
        checkout.run(*verb, "--now", NOON, "--no-validate")
        assert {"pipeline.yml", ".github/workflows/sync.yml"} <= set(files(checkout, "env/prod"))
    checkout.run("verify", "env/prod~1..env/prod")


def test_an_app_that_is_removed_leaves_the_branch(checkout: Checkout) -> None:
    advance(checkout, "--all")
    commit_on(checkout, "env/prod", {"pipeline.yml": "jobs: []\n"})
    checkout.git("rm", "-rq", "environments/prod/api")
    checkout.commit("Remove the api")
    checkout.run("publish", "prod")
    left = {name.partition("/")[0] for name in files(checkout, "env/prod")}
    assert "api" not in left
    assert {"web", "pipeline.yml"} <= left


@pytest.mark.parametrize("name", ["web/rendered/extra.yaml", "web/status.yaml", "hydrator.metadata"])
def test_changes_of_others_to_what_is_rendered_are_refused(checkout: Checkout, name: str) -> None:
    advance(checkout, "prod/web")
    tip = checkout.git("rev-parse", "env/prod").strip()
    old = checkout.git("show", f"{tip}:{name}") if name in files(checkout, tip) else ""
    commit_on(checkout, "env/prod", {name: f"{old}\n"})
    told = refused(checkout)
    assert f"env/prod: has changes of others to what is rendered, since {tip[:9]}: {name}" in told
    assert "git revert" in told
    checkout.git("update-ref", "refs/heads/env/prod", tip)
    advance(checkout, "prod/web")


def test_a_shallow_clone_names_missing_history(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> None:
    advance(checkout, "prod/web")
    for number in range(2):
        (checkout.root / "README.md").write_text(f"{number}\n", encoding="utf-8")
        checkout.commit()
    remote, clone = tmp_path_factory.mktemp("remote"), tmp_path_factory.mktemp("clone")
    checkout.git("clone", "--quiet", "--bare", str(checkout.root), str(remote))
    checkout.git("clone", "--quiet", "--depth=1", "--no-single-branch", f"file://{remote}", str(clone))
    shallow = object.__new__(Checkout)
    shallow.root = clone
    assert "git fetch --unshallow" in refused(shallow)
    shallow.git("fetch", "--quiet", "--unshallow")
    advance(shallow, "prod/web")
    assert shallow.git("rev-parse", "env/prod") == checkout.git("rev-parse", "env/prod")


def test_two_environments_cannot_share_a_branch(checkout: Checkout) -> None:
    text = "defaults: {commit: {environmentBranch: rendered}}\n"
    (checkout.root / "rollstep.yaml").write_text(text, encoding="utf-8")
    checkout.commit()
    assert "rendered is the branch of prod and of staging" in refused(checkout)


def test_rendered_commits_are_signed_if_git_is_configured_to(
    checkout: Checkout, tmp_path_factory: pytest.TempPathFactory
) -> None:
    key = tmp_path_factory.mktemp("keys") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    checkout.git("config", "gpg.format", "ssh")
    checkout.git("config", "user.signingKey", f"{key}.pub")
    checkout.git("config", "commit.gpgSign", "true")
    advance(checkout, "prod/web")
    assert "gpgsig" in checkout.git("cat-file", "commit", "env/prod")


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://github.com/shop/web.git", "github.com", "shop/web"),
        ("https://me:word@git.example.com:3000/shop/web", "git.example.com:3000", "shop/web"),
        ("git@gitlab.com:group/sub/web.git", "gitlab.com", "group/sub/web"),
        ("ssh://git@git.example.com:2222/shop/web.git", "git.example.com", "shop/web"),
        ("bitbucket.org:shop/web.git/", "bitbucket.org", "shop/web"),
    ],
)
def test_what_the_url_of_a_remote_says(url: str, host: str, path: str) -> None:
    found = parse_url(url)
    assert found is not None
    assert (found.host, found.path) == (host, path)


@pytest.mark.parametrize("url", ["../web.git", "./a:b", "sub/folder:x", "file:///srv/git/web.git"])
def test_a_path_is_no_host(url: str) -> None:
    assert parse_url(url) is None


def test_a_password_is_taken_out_of_a_url() -> None:
    assert without_password("https://a:b@git.example.com/x.git") == "https://git.example.com/x.git"
    assert without_password("git@git.example.com:x.git") == "git@git.example.com:x.git"


def test_a_branch_that_has_moved_meanwhile_is_left_alone(checkout: Checkout) -> None:
    from renderer.errors import RollstepError
    from renderer.git.objects import move_branch

    repository = Repository.open(checkout.root)
    head = checkout.head
    checkout.git("branch", "there")
    with pytest.raises(RollstepError, match="has not been moved"):
        move_branch(repository, "there", head, None, "test")
    assert checkout.git("rev-parse", "there").strip() == head
