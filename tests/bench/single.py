"""One app: the cold start, one app among many, and the hash."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

from tests.bench.measure import Figure, Row, run, turns
from tests.bench.place import Place

APP = "environments/prod/app-00003"
HASHES = 10_000
PROGRAM = """
import sys, time
from renderer.rollouts.pod_template import pod_template_hash
from renderer.kubernetes.yaml.reader import load_documents
template = load_documents(open(sys.argv[1]).read(), "")[0].value["spec"]["template"]
def named(number):
    container = {**template["spec"]["containers"][0], "image": f"registry.example.com/shop/app-{number}:1.0.0"}
    return {**template, "spec": {**template["spec"], "containers": [container]}}
templates = [named(number) for number in range(int(sys.argv[2]))]
begun = time.process_time()
found = {pod_template_hash(each) for each in templates}
taken = time.process_time() - begun
assert len(found) > 0.99 * len(templates)
print(len(templates) / taken)
"""


def cold_start(place: Place) -> None:
    """Beside an interpreter that does nothing, and helm with one chart."""
    root = place.repository(5, rendered=True)
    python = ("`python -c pass`", partial(run, [sys.executable, "-c", "pass"], place.folder))
    check, shown = place.rollstep(root, "render", "--check", APP), place.rollstep(root, "--help")
    words = {"_ROLLSTEP_COMPLETE": "bash_complete", "COMP_WORDS": "rollstep re", "COMP_CWORD": "1"}
    complete = partial(place.rollstep(root), **words)
    for warm in (check, shown, complete):
        warm()
    limit = (
        "What `python -c pass` takes is start-up of the interpreter; the rest is `site`, the console script and the "
        "look at all files that the answer rests on, and no module is imported for it."
    )
    place.by_turns("`rollstep --help`", 1.6, python, shown, 41, limit)
    place.by_turns("completion of a verb", 1.6, python, complete, 41, limit)
    place.by_turns("`render --check` of one app", 2, python, check, 41, limit)
    place.by_turns("`render --check` of one app", 1.2, place.chart(1), check, 41, limit)


def one_among_many(place: Place) -> None:
    """``plan``, ``status`` and ``history`` of one app of a large fleet beside the cold start."""
    size = 10_000 if place.full else 1_000
    if not place.full:
        place.leave_out("`plan`, `status` and `history` of one app among 10,000 (here: among 1,000)")
    few, many = place.repository(5, rendered=True), place.repository(size, rendered=True)
    check = place.rollstep(few, "render", "--check", APP)
    look = place.rollstep(few, "render", "--check", "--no-cache", APP)
    forget_few, forget_many = partial(_forget, place, few), partial(_forget, place, many)
    for verb in ("plan", "status", "history"):
        ours, among_few = place.rollstep(many, verb, APP), place.rollstep(few, verb, APP)
        for warm in (check, ours, among_few):
            warm()
        what = f"`{verb}` of one app among {size:,}"
        cold, few_taken, taken = turns(15, (None, check), (None, among_few), (None, ours))
        place.compare(Row(what, "the cold start: `render --check` of one app among 5", 1.5, cold, taken))
        place.compare(Row(what, f"`{verb}` of one app among 5", 1.5, few_taken, taken))
        cold, few_taken, taken = turns(15, (None, look), (forget_few, among_few), (forget_many, ours))
        what += ", nothing remembered"
        place.compare(Row(what, "the cold start with `--no-cache`", 1.5, cold, taken))
        place.compare(Row(what, f"`{verb}` of one app among 5", 1.5, few_taken, taken))


def _forget(place: Place, root: Path) -> None:
    """Take away what is remembered of a repository."""
    kept = root / ".git/rollstep"
    if kept.exists():
        kept.rename(place.aside() / "remembered")


def hashes(place: Place) -> None:
    """Pod templates that differ, hashed one after another by one process."""
    source = place.repository(5, rendered=True) / APP / "rollout.yaml"
    command = [sys.executable, "-c", PROGRAM, str(source), str(HASHES)]
    found = sorted(float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(5))
    told = f"{found[2]:,.0f} ({found[0]:,.0f} to {found[-1]:,.0f}, 5 runs)"
    place.hold(Figure("pod templates hashed in a second of one core", found[2], HASHES, told, at_least=True))
