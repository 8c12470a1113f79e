"""``make demo``: a canary and a blue-green release in a temporary git repository, commit by commit.

``make demo ARGS="--record docs/demo.svg"`` draws a shorter one, which is the same on every machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.terminal_picture import terminal_picture

CHECKOUT = Path(__file__).resolve().parent.parent
IDENTITY = {
    "GIT_AUTHOR_NAME": "demo",
    "GIT_AUTHOR_EMAIL": "demo@example.com",
    "GIT_COMMITTER_NAME": "demo",
    "GIT_COMMITTER_EMAIL": "demo@example.com",
}


class Demo:
    """A repository with the example's sources, and a clock."""

    def __init__(self, folder: Path, now: datetime | None = None) -> None:
        """Copy the sources of ``environments/``, without rendered files, into a new repository at ``folder``."""
        self.folder = folder
        self.now = now or datetime.now(UTC).replace(microsecond=0)
        rendered = shutil.ignore_patterns("rendered", "status.yaml")
        shutil.copytree(CHECKOUT / "environments", folder / "environments", ignore=rendered)
        shutil.copy(CHECKOUT / "rollstep.yaml", folder)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=Add web and api")

    def git(self, *arguments: str) -> None:
        """Run git in the repository, with the demo's identity."""
        subprocess.run(["git", *arguments], cwd=self.folder, env=self.environment, check=True)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of git and of rollstep."""
        time = f"{self.now:%Y-%m-%dT%H:%M:%SZ}"
        return {**os.environ, **IDENTITY, "GIT_AUTHOR_DATE": time, "GIT_COMMITTER_DATE": time}

    def say(self, text: str) -> None:
        """Print a heading."""
        print(f"\n\033[1m# {text}\033[0m" if sys.stdout.isatty() else f"\n# {text}", flush=True)

    def run(self, *arguments: str, timed: bool = True) -> None:
        """Print a rollstep command line, and run it at the demo's time."""
        print(f"$ rollstep {' '.join(arguments)}", flush=True)
        clock = [f"--now={self.now:%Y-%m-%dT%H:%M:%SZ}"] if timed else []
        command = [sys.executable, "-m", "renderer", *arguments, *clock]
        # Only the libraries are installed; rollstep is in this checkout.
        paths = os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH"))))
        variables = {**self.environment, "PYTHONPATH": paths}
        result = subprocess.run(command, cwd=self.folder, env=variables, check=False)
        if result.returncode:
            sys.exit(f"rollstep {arguments[0]} exited with {result.returncode}; the repository is {self.folder}")

    def wait(self, minutes: int) -> None:
        """Move the clock forward."""
        self.now += timedelta(minutes=minutes)
        self.say(f"{minutes} minutes later")


def canary(demo: Demo) -> None:
    """Release web: five pods behind an nginx Ingress, at 20, 40, 60 and 100 percent of the traffic."""
    demo.say("Canary: the first version")
    demo.run("advance", "prod/web")
    demo.say("A new version: the plan, and its first pods")
    demo.run("plan", "prod/web")
    demo.run("set", "image", "prod/web", "web=registry.example.com/shop/web:1.1.0")
    demo.run("get", "prod/web")
    demo.say("The pods are available: the first requests go to them")
    demo.run("advance", "prod/web")
    demo.run("get", "prod/web")
    demo.say("It stays at its pause until it is promoted")
    demo.run("advance", "prod/web")
    demo.run("promote", "prod/web")
    demo.run("advance", "prod/web")
    for _ in range(2):
        demo.wait(10)
        demo.run("advance", "prod/web")
        demo.run("advance", "prod/web")
        demo.run("get", "prod/web")
    demo.wait(1)
    demo.run("advance", "prod/web")
    demo.run("get", "prod/web")


def blue_green(demo: Demo) -> None:
    """Release api: a preview beside the active version, and a switch."""
    demo.say("Blue-green: the first version, and a new one beside it")
    demo.run("advance", "prod/api")
    demo.run("set", "image", "prod/api", "api=registry.example.com/shop/api:1.1.0")
    demo.run("plan", "prod/api")
    demo.say("Its pods are available: the preview selects them")
    demo.run("advance", "prod/api")
    demo.run("get", "prod/api")
    demo.say("The switch, and the end of the old version five minutes later")
    demo.run("promote", "prod/api")
    demo.run("get", "prod/api")
    demo.wait(5)
    demo.run("advance", "prod/api")
    demo.run("get", "prod/api")


class Recording(Demo):
    """A demo whose output becomes lines, with a fixed clock and without the user's settings of git."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        super().__init__(folder, datetime(2026, 3, 1, 12, tzinfo=UTC))

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    def say(self, text: str) -> None:
        self.lines += [*([""] if self.lines else []), f"# {text}"]

    def run(self, *arguments: str, timed: bool = True) -> None:
        self.lines.append(f"$ rollstep {' '.join(arguments)}")
        clock = [f"--now={self.now:%Y-%m-%dT%H:%M:%SZ}"] if timed else []
        self._run([sys.executable, "-m", "renderer", *arguments, *clock])

    def log(self) -> None:
        """Record the history of the branch."""
        self.lines.append("$ git log --oneline")
        self._run(["git", "--no-pager", "log", "--oneline", "--abbrev=7", "--no-decorate"])

    def _run(self, command: list[str]) -> None:
        paths = os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH"))))
        variables = {**self.environment, "PYTHONPATH": paths}
        done = subprocess.run(command, cwd=self.folder, env=variables, check=True, capture_output=True, text=True)
        self.lines += done.stdout.splitlines()


def record() -> str:
    """Return the picture of a canary's first steps."""
    with tempfile.TemporaryDirectory(prefix="rollstep-demo-") as folder:
        demo = Recording(Path(folder) / "repository")
        demo.say("The first version is in git. What would a new one do?")
        demo.run("advance", "prod/web")
        demo.run("plan", "prod/web")
        demo.say("Each step is one commit")
        demo.run("set", "image", "prod/web", "web=registry.example.com/shop/web:1.1.0")
        demo.run("advance", "prod/web")
        demo.run("status", "prod/web")
        demo.say("A pause ends by a promotion")
        demo.run("promote", "prod/web")
        demo.run("get", "prod/web")
        demo.log()
        return terminal_picture("A canary release, commit by commit", demo.lines)


def main() -> None:
    """Run both releases and keep the repository, or record a shorter demo."""
    if not (CHECKOUT / "environments").is_dir():
        sys.exit("The demo needs a checkout of rollstep with the example's environments/.")
    if sys.argv[1:2] == ["--record"]:
        Path(sys.argv[2]).write_text(record(), encoding="utf-8")
        return
    folder = Path(tempfile.mkdtemp(prefix="rollstep-demo-"))
    demo = Demo(folder)
    canary(demo)
    blue_green(demo)
    demo.say("The history in git")
    demo.run("status", "prod")
    demo.run("history", "prod", timed=False)
    demo.git("--no-pager", "log", "--reverse", "--format=%h %s")
    demo.say("One of the commits")
    demo.git("--no-pager", "log", "-1", "--grep=step 3/6", "--stat", "--format=%h %an <%ae>%n%n%B")
    demo.run("render", "--check", "prod", timed=False)
    demo.say(f"The repository is in {folder}")


if __name__ == "__main__":
    main()
