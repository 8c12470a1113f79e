"""The title and the body of a pull request, from templates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from renderer.errors import Finding, RollstepError, one_line
from renderer.pipeline.commit.message import cleaned
from renderer.pipeline.render.templates import check_user_templates, render_template
from renderer.pipeline.resolve.moves import Move
from renderer.pipeline.write.moved_app import MovedApp
from renderer.pipeline.write.output_folder import diff
from renderer.rollouts.model.world import World
from renderer.verbs.show.plan import plan_move, plan_world
from renderer.verbs.show.plan_rows import peak_pods
from renderer.verbs.show.plan_table import plan_markdown
from renderer.verbs.show.tree import rollout_info, tree_text

TITLE, BODY = "pull-request-title.j2", "pull-request-body.j2"
_MAX_TITLE = 200
MAX_DIFF = 20_000
"""Characters of a diff.  Bitbucket has the smallest limit for a whole body, 32,768."""


def title_of(moved: MovedApp) -> str:
    """Return the title of the pull request of ``moved``; raise RollstepError if a template fails."""
    assert moved.change is not None
    title = one_line(render_template(TITLE, _templates(moved), {"change": cleaned(moved.change)}))
    if not title:
        raise RollstepError([Finding(TITLE, 0, 0, "", "gives an empty title")])
    return title if len(title) <= _MAX_TITLE else title[: _MAX_TITLE - 1] + "…"


def body_of(moved: MovedApp, start: World, stack: Sequence[str], position: int) -> str:
    """Return the body: the step, its numbers of pods, the plan from ``start`` on, the tree after it, and the diff.

    ``stack`` has the titles of all pull requests of a stack, ``position`` counts from 1.
    """
    move, app, release = moved.move, moved.app, moved.release
    assert moved.change is not None and move is not None and app is not None
    folder = f"{release.place}/{release.app.settings.output}"
    shown = _shortened(diff(app.changes, folder))
    tree = tree_text(rollout_info(move.after, release.app.ref.target), move.after.now, release.app.ref)
    variables = {
        "change": cleaned(moved.change),
        "stack": [one_line(title) for title in stack],
        "position": position,
        "pods": {"before": _pods(move.before), "after": _pods(move.after), "peak": peak_pods(move)},
        "plan": plan_markdown(plan_move(move) if _edits_rollout(move) else plan_world(start)),
        "tree": tree,
        "diff": shown,
        "fence": _fence(shown + tree),
    }
    text = render_template(BODY, _templates(moved), variables)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _templates(moved: MovedApp) -> Path | None:
    templates = moved.release.app.settings.templates
    check_user_templates(templates)
    return templates


def _edits_rollout(move: Move) -> bool:
    """Return whether the verb of ``move`` edits the Rollout, which the sources do not show yet."""
    return move.before.rollout.body != move.after.rollout.body


def _pods(world: World) -> int:
    return sum(rs.replicas for rs in world.replica_sets)


def _shortened(text: str) -> str:
    if len(text) <= MAX_DIFF:
        return text
    kept = text[: text.rindex("\n", 0, MAX_DIFF) + 1]
    return f"{kept}… and {text.count(chr(10)) - kept.count(chr(10))} more lines\n"


def _fence(text: str) -> str:
    """Return a fence for a block of code that is longer than any run of backticks in ``text``."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    return "`" * max(3, longest + 1)
