"""The knowledge from before the commits that are judged."""

from __future__ import annotations

from collections.abc import Sequence

from renderer.git.forges.settings import ForgeSettings
from renderer.git.repository import Repository
from renderer.verbs.verify.loading import Loader
from renderer.verbs.verify.rules import read_rules


def trusted_forge(repository: Repository, revisions: Sequence[str]) -> ForgeSettings:
    """Return the forge that git's configuration names, else the commit before those of ``revisions``.

    Where a range has no such commit, as a whole history, the remote's URL alone decides.  Raises RollstepError for
    unknown revisions.
    """
    rules = read_rules(repository)
    if rules.forge is not None:
        return rules.forge
    listed = repository.run("rev-list", "--boundary", "--parents", *revisions, "--").stdout.decode().splitlines()
    before = [line[1:].split()[0] for line in listed if line.startswith("-")]
    if not before:
        return ForgeSettings()
    with Loader(repository) as loader:
        found = {loader.settings(sha).forge for sha in before}
    # Several commits that disagree name no forge.
    return found.pop() if len(found) == 1 else ForgeSettings()
