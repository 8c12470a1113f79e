"""``make demo``: a canary and a blue-green release in a temporary git repository, commit by commit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
IDENTITY = {
    "GIT_AUTHOR_NAME": "demo",
    "GIT_AUTHOR_EMAIL": "demo@example.com",
    "GIT_COMMITTER_NAME": "demo",
    "GIT_COMMITTER_EMAIL": "demo@example.com",
}


class Demo:
    """A repository with the example's sources, and a clock."""

    def __init__(self, folder: Path) -> None:
        """Copy the sources of ``environments/``, without rendered files, into a new repository at ``folder``."""
        self.folder = folder
        self.now = datetime.now(UTC).replace(microsecond=0)
        rendered = shutil.ignore_patterns("rendered", "status.yaml")
        shutil.copytree(CHECKOUT / "environments", folder / "environments", ignore=rendered)
        shutil.copy(CHECKOUT / "rollstep.yaml", folder)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=Add web and api")

    def git(self, *arguments: str) -> None:
        """Run git in the repository, with the demo's identity."""
        subprocess.run(["git", *arguments], cwd=self.folder, env={**os.environ, **IDENTITY}, check=True)

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
        variables = {**os.environ, **IDENTITY, "PYTHONPATH": paths}
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


def main() -> None:
    """Run both releases and keep the repository."""
    if not (CHECKOUT / "environments").is_dir():
        sys.exit("The demo needs a checkout of rollstep with the example's environments/.")
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
