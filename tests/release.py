"""``make release-check``: everything of a release that needs no service but the package index of ``make setup``.

``python -m tests.release [TAG]`` builds wheel and sdist twice, in two places, and compares their bytes. It checks the
SBOM and the changelog, installs the wheel into an empty environment, and runs the first tutorial with it. With TAG, the
tag has to be that of the version. The files are in ``build/release``.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

from renderer import __version__
from tests.docs.console import PROJECT, check

RELEASE = PROJECT / "build" / "release"


class ReleaseError(Exception):
    """A fault that keeps a version from being released."""


def run(*command: str | Path, cwd: Path = PROJECT, **variables: str) -> str:
    """Return what a command prints; raise ReleaseError with its output where it fails."""
    environment = {**os.environ, **variables}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def check_version(tag: str, version: str, changelog: str) -> str:
    """Return what the changelog has for ``version``; raise ReleaseError if it or ``tag`` does not fit.

    Without a tag, a changelog whose next section is still called Unreleased is fine.
    """
    if tag and tag != f"v{version}":
        raise ReleaseError(f"the tag {tag} is not v{version}, the version in renderer/__init__.py")
    sections = re.findall(r"^## \[([^]]+)\](?: - (\d{4}-\d{2}-\d{2}))?$", changelog, re.MULTILINE)
    dates = dict(sections)
    if dates.get(version):
        return f"the changelog has {version} of {dates[version]}"
    if tag or "Unreleased" not in dates:
        raise ReleaseError(f"CHANGELOG.md has no section `## [{version}] - YYYY-MM-DD`")
    return f"the changelog calls {version} Unreleased: give the section its date before the tag"


def copy_sources(to: Path) -> None:
    """Copy the files that git keeps to ``to``."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if (PROJECT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, to / name)


def build_twice(folder: Path) -> dict[str, str]:
    """Build in two places with different clocks and masks; return the SHA-256 of each file, or raise ReleaseError."""
    found: list[dict[str, str]] = []
    for name, zone, mask in (("first", "UTC", 0o022), ("the-second-place", "Asia/Tokyo", 0o077)):
        source, out = folder / name / "source", folder / name / "dist"
        before = os.umask(mask)
        try:
            copy_sources(source)
            run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, cwd=source, TZ=zone)
        finally:
            os.umask(before)
        found.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.iterdir())})
    if found[0] != found[1]:
        raise ReleaseError(f"two builds differ: {found[0]} and {found[1]}")
    shutil.rmtree(RELEASE, ignore_errors=True)
    shutil.copytree(folder / "first" / "dist", RELEASE)
    return found[0]


def check_sbom(wheel: Path) -> None:
    """Raise ReleaseError if the wheel has not the SBOM of the repository."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/sboms/sbom.cdx.json")] or [""]
        if not name or archive.read(name) != (PROJECT / "docs/sbom.cdx.json").read_bytes():
            raise ReleaseError("the wheel has not the SBOM of docs/sbom.cdx.json")


def install(wheel: Path, folder: Path) -> Path:
    """Install the wheel with its pinned dependencies into an empty environment and return its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", PROJECT / "requirements.txt")
    run(python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel)
    place = run(python, "-P", "-c", "import renderer; print(renderer.__file__)", cwd=folder, PYTHONPATH="").strip()
    if not Path(place).is_relative_to(folder):
        raise ReleaseError(f"the environment runs {place}, not the wheel")
    return python


def main(tag: str) -> int:
    """Do all steps, print the result of each, and return the exit code."""
    try:
        print(check_version(tag, __version__, (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")))
        with tempfile.TemporaryDirectory(prefix="rollstep-release-") as folder:
            for name, digest in build_twice(Path(folder)).items():
                print(f"built twice, the same bytes: {name} sha256:{digest}")
            (wheel,) = RELEASE.glob("*.whl")
            check_sbom(wheel)
            print("the wheel has its SBOM")
            page, problems = check(PROJECT / "docs/tutorials/first-release.md", install(wheel, Path(folder) / "venv"))
            if problems:
                raise ReleaseError("\n".join(problems))
            print(f"installed into an empty environment: {len(page.commands)} commands of the first tutorial run")
    except ReleaseError as error:
        print(f"not ready to be released: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
