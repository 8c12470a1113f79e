"""The title and the body of a pull request, from templates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from renderer.errors import Finding, RollstepError, one_line
from renderer.git.forges.forge import MarkdownDialect
from renderer.pipeline.commit.message import cleaned
from renderer.pipeline.render.templates import check_user_templates, render_template
from renderer.pipeline.resolve.describe import current_replica_set, stable_replica_set
from renderer.pipeline.resolve.moves import Move
from renderer.pipeline.write.moved_app import MovedApp
from renderer.pipeline.write.output_folder import diff
from renderer.rollouts.model.world import World
from renderer.verbs.release.pull_requests.words import change_in_words, following, ways_back
from renderer.verbs.show.pictures import fenced_mermaid
from renderer.verbs.show.pictures.staircase import shortened, staircase
from renderer.verbs.show.pictures.table import markdown
from renderer.verbs.show.plan import plan_move
from renderer.verbs.show.plan_rows import peak_pods
from renderer.verbs.show.tree import images, rollout_info, tree_text

TITLE, BODY = "pull-request-title.j2", "pull-request-body.j2"
_MAX_TITLE = 200
MAX_COMMITS = 40
"""Commits in the picture and in the plan."""
MAX_DIFF, MAX_TREE = 14_000, 4_000
"""Characters of a diff and of a tree.  Bitbucket has the smallest limit for a whole body, 32,768."""


def title_of(moved: MovedApp) -> str:
    """Return the title of the pull request of ``moved``; raise RollstepError if a template fails."""
    assert moved.change is not None
    variables = {"change": cleaned(moved.change), "images": _new_images(moved.move)}
    title = one_line(render_template(TITLE, _templates(moved), variables))
    if not title:
        raise RollstepError([Finding(TITLE, 0, 0, "", "gives an empty title")])
    return title if len(title) <= _MAX_TITLE else title[: _MAX_TITLE - 1] + "…"


def body_of(moved: MovedApp, stack: Sequence[str], position: int, dialect: MarkdownDialect) -> str:
    """Return the body: the step in words, the plan from it on, the tree after it, and the diff.

    ``stack`` has the titles of all pull requests of a stack, ``position`` counts from 1.  The body is not longer than
    the ``dialect`` of the forge allows.
    """
    move, app, release = moved.move, moved.app, moved.release
    assert moved.change is not None and move is not None and app is not None
    ref = release.app.ref
    folder = f"{release.place}/{release.app.settings.output}"
    change = cleaned(moved.change)
    whole = staircase(ref.name, ref.environment, plan_move(move))
    shown = shortened(whole, MAX_COMMITS)
    tree = _shortened(tree_text(rollout_info(move.after, ref.target), move.after.now, ref), MAX_TREE)
    text = _shortened(diff(app.changes, folder), MAX_DIFF)
    variables = {
        "change": change,
        "words": change_in_words(whole, move, change),
        "following": following(whole, ref.target),
        "back": ways_back(whole, move, ref.target),
        "stack": [one_line(title) for title in stack],
        "position": position,
        "pods": {"before": _pods(move.before), "after": _pods(move.after), "peak": peak_pods(move)},
        "picture": fenced_mermaid(shown) if dialect.mermaid else "",
        "plan": markdown(shown),
        "more_commits": len(whole.stairs) - len(shown.stairs),
        "details": dialect.details,
        "tree": tree,
        "diff": text,
        "fence": _fence(text + tree),
    }
    body = re.sub(r"\n{3,}", "\n\n", render_template(BODY, _templates(moved), variables)).strip()
    return _cut(body, dialect.most_characters)


def _templates(moved: MovedApp) -> Path | None:
    templates = moved.release.app.settings.templates
    check_user_templates(templates)
    return templates


def _new_images(move: Move | None) -> list[str]:
    """Return the names and versions of the images that the release of ``move`` brings, without their registries."""
    newest = current_replica_set(move.after) if move is not None else None
    stable = stable_replica_set(move.before) if move is not None else None
    is_aborted = move is not None and move.after.status.abort
    if newest is None or is_aborted or (stable is not None and newest.name == stable.name):
        return []
    old = images(stable.template) if stable is not None else ()
    return [one_line(image.rpartition("/")[2]) for image in images(newest.template) if image not in old]


def _pods(world: World) -> int:
    return sum(rs.replicas for rs in world.replica_sets)


def _shortened(text: str, most: int) -> str:
    """Return the lines of ``text`` that ``most`` characters hold, and how many more there are."""
    if len(text) <= most:
        return text
    kept = text[: text.rfind("\n", 0, most) + 1]
    return f"{kept}… and {text.count(chr(10)) - kept.count(chr(10))} more lines\n"


def _cut(body: str, most: int) -> str:
    """Return a body that its forge accepts."""
    if len(body) <= most:
        return body
    note = f"\n\n… (cut off: this forge accepts {most} characters)"
    return body[: most - len(note)] + note


def _fence(text: str) -> str:
    """Return a fence for a block of code that is longer than any run of backticks in ``text``."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    return "`" * max(3, longest + 1)
