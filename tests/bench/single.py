"""One app: with nothing cached and with the cache, one app among many, and the hash."""

from __future__ import annotations

import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from tests.bench.measure import Figure
from tests.bench.place import SETTLED, Place

APP = "environments/prod/app-00003"
HASHES = 10_000
COLD_BOUND = 4
"""Times of `helm template` of one chart."""
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


COLD, WARM = "nothing cached", "with the cache"
VERBS = {"render --check": ("render", "--check"), "plan": ("plan",), "status": ("status",)}


def one_app(place: Place) -> None:
    """``--help``, and verbs for one app with nothing cached and with the cache, beside helm and kubectl."""
    root = place.repository(5, rendered=True)
    peers = (place.chart(1), place.kustomization())
    for peer in peers:
        place.by_turns("`rollstep --help`", None, peer, place.rollstep(root, "--help"), 21)
    for name, words in VERBS.items():
        own = place.rollstep(root, *words, APP)
        what = f"`{name}` of one app"
        for peer, bound in zip(peers, (COLD_BOUND, None), strict=True):
            place.by_turns(f"{what}, {COLD}", bound, peer, own, 21, prepare=place.forget)
    # The other verbs have no cache.
    check = place.rollstep(root, "render", "--check", APP)
    check()
    time.sleep(SETTLED)
    check()
    for peer in peers:
        place.by_turns(f"`render --check` of one app, {WARM}", None, peer, check, 21)


def one_among_many(place: Place) -> None:
    """The same verbs, and ``history``, for one app of a large fleet beside one of five, with nothing cached."""
    size = 10_000 if place.full else 1_000
    if not place.full:
        place.leave_out("one app among 10,000 (here: among 1,000)")
    few, many = place.repository(5, rendered=True), place.repository(size, rendered=True)
    for name, words in {**VERBS, "history": ("history",)}.items():
        peer = (f"`{name}` of one app among 5", partial(_cold, place, few, words))
        place.by_turns(f"`{name}` of one app among {size:,}", None, peer, partial(_cold, place, many, words), 11)


def _cold(place: Place, root: Path, words: tuple[str, ...]) -> None:
    place.rollstep(root, *words, "--no-cache", APP)() if words[0] == "render" else place.rollstep(root, *words, APP)()


def hashes(place: Place) -> None:
    """Pod templates that differ, hashed one after another by one process."""
    source = place.repository(5, rendered=True) / APP / "rollout.yaml"
    command = [sys.executable, "-c", PROGRAM, str(source), str(HASHES)]
    found = sorted(float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(5))
    told = f"{found[2]:,.0f} ({found[0]:,.0f} to {found[-1]:,.0f}, 5 runs)"
    place.hold(Figure("pod templates hashed in a second of one core", found[2], HASHES, told, at_least=True))
