"""Drives a release to where it is wanted, while requests go through the router, and measures at each pause."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests.e2e.cluster import NAMESPACE
from tests.e2e.flux import Flux
from tests.e2e.load import Load
from tests.e2e.processes import wait_for
from tests.e2e.release import Repository
from tests.e2e.sync import Sync
from tests.e2e.table import Share, Table

MEASURED = 5.0
"""For how many seconds the shares are measured at a pause."""
SETTLED = 1.0
"""The seconds that the router gets to follow a change of weights before that."""


@dataclass
class Drive:
    """One run: a repository, what syncs it, and the requests."""

    repository: Repository
    sync: Sync | Flux
    load: Load
    waits: tuple[str, ...] = ()
    """Options that make ``advance`` wait until what was committed is live."""
    shares: list[Share] = field(default_factory=list)

    def advance(self) -> bool:
        """Do one ``advance``; tell whether there was a commit."""
        before = self.repository.head
        self.repository.rollstep("advance", "e2e/web", *self.waits)
        return self.repository.head != before

    def on(self) -> None:
        """Advance until the release waits for somebody or is complete, and until all of it is applied."""
        self.live()
        while self.advance():
            self.live()

    def to_the_end(self, seconds: float = 120) -> None:
        """Advance as a scheduled job does, again and again, until the release is complete."""
        end = time.monotonic() + seconds
        self.on()
        while self.repository.status["phase"] != "Committed" or self.repository.status["until"]:
            assert time.monotonic() < end, self.repository.status
            time.sleep(1)
            self.on()

    def live(self) -> None:
        """Return when what is committed is applied and has its pods: what whoever goes on by hand looks for."""
        self.applied()
        wait_for("all ReplicaSets have their pods", self._all_available, 120)

    def _all_available(self) -> bool:
        sets = self.sync.cluster.api.items(f"/apis/apps/v1/namespaces/{NAMESPACE}/replicasets")
        return all(
            found["status"].get("observedGeneration") == found["metadata"]["generation"]
            and found["status"].get("availableReplicas", 0) == found["spec"]["replicas"]
            and found["status"]["replicas"] == found["spec"]["replicas"]
            for found in sets
        )

    def applied(self) -> None:
        self.sync.wait(self.repository.head)

    def begin(self, version: str) -> None:
        self.repository.rollstep("set", "image", "e2e/web", f"web={version}")

    def promote(self) -> None:
        self.verb("promote")

    def verb(self, name: str, *options: str) -> None:
        self.repository.rollstep(name, "e2e/web", *options)

    def measure(self, new: str, weight: int) -> None:
        """Count for a while who answers, and expect the new version's share to be its weight."""
        time.sleep(SETTLED)
        begun = time.monotonic()
        time.sleep(MEASURED)
        counted = self.load.shares(begun, time.monotonic())
        share = Share(weight, counted.total(), counted[new])
        self.shares.append(share)
        assert share.within, f"{share.text()} of {share.sent}: more than {share.bound:.1f} off; {counted}"

    def hash(self) -> str:
        """Return the new version's pod-template-hash."""
        status = self.repository.root / "environments" / "e2e" / "web" / "status.yaml"
        (line,) = [line for line in status.read_text().splitlines() if line.strip().startswith("currentPodHash:")]
        return line.split(":", 1)[1].strip().strip("'\"")

    def record(self, table: Table, name: str) -> None:
        table.add(name, len(self.repository.log()), len(self.load.samples), self.load.failed().total(), self.shares)

    def first_answers(self) -> None:
        """Wait until the first release answers through the router, and count from then on."""
        wait_for("the router sends requests to the first release", lambda: self._answers(0), 60)
        self.load.samples.clear()

    def answers_again(self) -> None:
        """Wait until a cluster that was lost answers, and count none of the requests that it could not."""
        lost = len(self.load.samples)
        wait_for("the router sends requests again", lambda: self._answers(lost), 60)
        del self.load.samples[lost:]

    def _answers(self, since: int) -> bool:
        recent = self.load.samples[since:][-40:]
        return len(recent) == 40 and not any(sample.error for sample in recent)
