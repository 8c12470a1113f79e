"""The place in git that a sync tool applies an environment from."""

from __future__ import annotations

import re

from msgspec import Struct


class GitSource(Struct, frozen=True):
    """The rendered manifests of an environment in git.

    ``folder`` holds the apps' folders, empty for the root; ``output`` is the folder of rendered manifests within an
    app's folder; ``namespace`` is that of objects without one.
    """

    environment: str
    url: str
    branch: str
    folder: str
    output: str
    namespace: str

    @property
    def name(self) -> str:
        """The name of the sync tool's objects: repository and environment."""
        return object_name(f"{repository_name(self.url)}-{self.environment}")

    def path(self, app: str) -> str:
        """Return the path of an app's rendered manifests from the root; ``*`` stands for all apps."""
        return "/".join(part for part in (self.folder, app, self.output) if part)


def repository_name(url: str) -> str:
    """Return the last part of a repository's URL, without ``.git``."""
    return re.split(r"[/:]", url.rstrip("/"))[-1].removesuffix(".git")


def object_name(text: str) -> str:
    """Return ``text`` as a valid name of a Kubernetes object."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].rstrip("-")
