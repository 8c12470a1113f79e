from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from renderer.errors import RollstepError
from renderer.pipeline.load.marker import MARKER, digest, read_marker
from renderer.pipeline.write.output_folder import Changes, diff, plan_write
from tests.support.transactions import transaction

FILES = {"kustomization.yaml": "resources: [a.yaml, b.yaml]\n", "a.yaml": "a: 1\n", "b.yaml": "b: 1\n"}


def apply(changes: Changes, root: Path) -> None:
    with transaction(root) as planned:
        planned.plan(changes.planned(), set(changes.unchanged_paths())).commit()


def write(folder: Path, files: dict[str, str]) -> Changes:
    changes = plan_write(folder, files)
    apply(changes, folder.parent)
    return changes


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.name != MARKER}


def test_a_missing_folder_is_created(tmp_path: Path) -> None:
    changes = write(tmp_path / "rendered", FILES)
    assert changes.to_dict() == {
        "created": ["a.yaml", "b.yaml", "kustomization.yaml"],
        "updated": [],
        "deleted": [],
        "unchanged": [],
        "edited": [],
    }
    assert content(tmp_path / "rendered") == FILES
    assert not plan_write(tmp_path / "rendered", FILES)


def test_the_marker_is_what_sha256sum_checks(tmp_path: Path) -> None:
    folder = tmp_path / "rendered"
    write(folder, FILES)
    check = ["sha256sum", "--check", "--strict", "--quiet", MARKER]
    assert subprocess.run(check, cwd=folder, check=False).returncode == 0
    (folder / "a.yaml").write_text("a: 2\n")
    assert subprocess.run(check, cwd=folder, check=False, capture_output=True).returncode == 1


def test_updates_deletions_and_unchanged_files_are_distinguished(tmp_path: Path) -> None:
    folder = tmp_path / "rendered"
    write(folder, FILES)
    after = {"kustomization.yaml": "resources: [a.yaml, c.yaml]\n", "a.yaml": "a: 1\n", "c.yaml": "c: 1\n"}
    changes = write(folder, after)
    assert changes.to_dict() == {
        "created": ["c.yaml"],
        "updated": ["kustomization.yaml"],
        "deleted": ["b.yaml"],
        "unchanged": ["a.yaml"],
        "edited": [],
    }
    assert content(folder) == after
    assert sorted(read_marker(folder)) == sorted(after)


def test_foreign_files_are_never_touched(tmp_path: Path) -> None:
    folder = tmp_path / "rendered"
    write(folder, FILES)
    (folder / "README.md").write_text("mine\n")
    (folder / "extra.yaml").write_text("mine: true\n")
    write(folder, {"kustomization.yaml": "resources: []\n"})
    assert content(folder) == {
        "README.md": "mine\n",
        "extra.yaml": "mine: true\n",
        "kustomization.yaml": "resources: []\n",
    }


def test_a_foreign_file_in_the_way_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "rendered"
    folder.mkdir()
    (folder / "a.yaml").write_text("mine: true\n")
    (folder / "b.yaml").mkdir()
    with pytest.raises(RollstepError) as caught:
        plan_write(folder, FILES)
    assert [(Path(finding.file).name, finding.message) for finding in caught.value.findings] == [
        ("a.yaml", "would be overwritten by a rendered file, but rollstep did not write it"),
        ("b.yaml", "is not a regular file"),
    ]


def test_a_foreign_file_with_the_same_content_is_adopted(tmp_path: Path) -> None:
    folder = tmp_path / "rendered"
    write(folder, FILES)
    (folder / MARKER).unlink()
    changes = plan_write(folder, FILES)
    assert changes, "the missing marker is a change"
    assert changes.to_dict()["unchanged"] == sorted(FILES)
    assert "+" + digest(FILES["a.yaml"].encode()) in diff(changes)
    apply(changes, tmp_path)
    assert sorted(read_marker(folder)) == sorted(FILES)


def test_a_deleted_file_that_was_edited_is_reported_too(tmp_path: Path) -> None:
    folder = tmp_path / "rendered"
    write(folder, FILES)
    (folder / "b.yaml").write_bytes(b"by hand \xff\n")
    changes = plan_write(folder, {name: text for name, text in FILES.items() if name != "b.yaml"})
    assert changes.edited == ("b.yaml",)
    assert "by hand" in diff(changes)


@pytest.mark.parametrize(
    "line",
    ["", f"{'0' * 64}  ../status.yaml", f"{'0' * 64}  ..", f"{'0' * 64} a.yaml", f"{'g' * 64}  a.yaml"],
)
def test_a_damaged_marker_is_refused_with_its_line(line: str, tmp_path: Path) -> None:
    folder = tmp_path / "rendered"
    write(folder, FILES)
    (tmp_path / "status.yaml").write_text("mine\n")
    marker = folder / MARKER
    marker.write_text(f"{marker.read_text()}{line}\n")
    with pytest.raises(RollstepError, match=rf"{MARKER}:4: is not a SHA-256"):
        plan_write(folder, {})
    assert (tmp_path / "status.yaml").exists()


def test_nothing_at_all_takes_the_marker_away(tmp_path: Path) -> None:
    folder = tmp_path / "rendered"
    write(folder, FILES)
    write(folder, {})
    assert list(folder.iterdir()) == []


def test_the_kustomization_never_lists_a_file_that_is_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "rendered"
    write(folder, FILES)
    changes = plan_write(folder, {"kustomization.yaml": "resources: [z.yaml]\n", "z.yaml": "z: 1\n"})
    with transaction(tmp_path) as planned:
        entries = planned.plan(changes.planned(), set(changes.unchanged_paths())).check()
    order = [(entry.path.removeprefix("rendered/"), entry.new is None) for entry in entries]
    assert order == [
        ("z.yaml", False),
        ("kustomization.yaml", False),
        ("a.yaml", True),
        ("b.yaml", True),
        (MARKER, False),
    ]


def test_a_change_and_status_are_one_transaction(tmp_path: Path) -> None:
    folder = tmp_path / "rendered"
    changes = plan_write(folder, FILES)
    (tmp_path / "status.yaml").mkdir()
    with pytest.raises(RollstepError, match="is a folder"), transaction(tmp_path) as planned:
        planned.plan(changes.planned()).write("status.yaml", "step: 1\n").commit()
    assert not folder.exists()


def test_the_diff_is_gits(tmp_path: Path) -> None:
    folder = tmp_path / "rendered"
    before = {"a.yaml": "a: 1\nb: 2\n", "b.yaml": "gone\n", "c.yaml": "no end", "d.yaml": "line\u2028separator\nx\n"}
    after = {"a.yaml": "a: 1\nb: 3\n", "c.yaml": "no end 2", "d.yaml": "line\u2028separator\ny\n", "e.yaml": "new\n"}
    write(folder, before)
    changes = plan_write(folder, after)
    text = diff(changes, "rendered/")
    assert text == diff(plan_write(folder, dict(reversed(after.items()))), "rendered")
    assert text == (
        "--- a/rendered/a.yaml\n+++ b/rendered/a.yaml\n@@ -1,2 +1,2 @@\n a: 1\n-b: 2\n+b: 3\n"
        "--- a/rendered/b.yaml\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n"
        "--- a/rendered/c.yaml\n+++ b/rendered/c.yaml\n@@ -1 +1 @@\n-no end\n\\ No newline at end of file\n"
        "+no end 2\n\\ No newline at end of file\n"
        "--- a/rendered/d.yaml\n+++ b/rendered/d.yaml\n@@ -1,2 +1,2 @@\n line\u2028separator\n-x\n+y\n"
        "--- /dev/null\n+++ b/rendered/e.yaml\n@@ -0,0 +1 @@\n+new\n"
    )
    # git applies it as a patch, which gives the planned files.
    subprocess.run(["git", "apply", "--unsafe-paths", "-"], input=text.encode(), cwd=tmp_path, check=True)
    assert content(folder) == after
