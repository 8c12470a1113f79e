"""The two charts of a picture: the weights of the versions, and their pods under them."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from renderer.verbs.show.pictures.elements import LINE, add, add_mark, fill, fixed, percent
from renderer.verbs.show.pictures.staircase import NEW, NOW, STABLE, Stair, Staircase
from renderer.verbs.show.pictures.words import number_of, stair_text

WEIGHTS, PODS, BAND = 120, 64, 18
"""The heights in pixels of the charts, and of the band of marks above them."""
PODS_TOP = BAND + WEIGHTS + 24
BOTTOM = PODS_TOP + PODS
NARROW, WIDE = 300, 620
"""The widths in pixels for which labels are left out where they would touch."""
LABEL, MARK, LETTER = 30, 16, 8
"""The widths of labels in pixels."""


def add_charts(parent: ET.Element, staircase: Staircase, key: str, top: int) -> int:
    """Add the charts, with a column for each commit; return the place below them."""
    # The margins are in percent, so that the columns are.
    chart = add(parent, "svg", x="2%", width="96%", y=str(top), overflow="visible")
    add(chart, "text", f"pods (at most {staircase.peak_pods})", y=str(PODS_TOP - 7))
    stairs = staircase.stairs
    columns = [_Column(chart, staircase, key, index) for index in range(len(stairs))]
    weights = _places([str(_leading(stair)) for stair in stairs])
    pods = _places([str(stair.pods) for stair in stairs])
    numbers = _places([str(index) for index in range(len(stairs))])
    for y in (BAND, BAND + WEIGHTS, BOTTOM):
        add(chart, "line", name="rs-line", x1="0", x2="100%", y1=str(y), y2=str(y))
    # A label may be wider than its column.
    for column, *places in zip(columns, weights, pods, numbers, strict=True):
        column.label(*places)
    height = BOTTOM + LINE * (2 if any(stair.phase for stair in stairs) else 1)
    chart.set("height", str(height))
    return top + height + 4


class _Column:
    """The column of one commit in both charts."""

    def __init__(self, chart: ET.Element, staircase: Staircase, key: str, index: int) -> None:
        self.chart, self.staircase, self.key = chart, staircase, key
        self.stair, self.count = staircase.stairs[index], len(staircase.stairs)
        self.number = number_of(staircase, index)
        self.left, self.middle, self.right = (percent(index + part, self.count) for part in (0, 0.5, 1))
        self.place = {"x": self.left, "width": percent(1, self.count)}
        self.group = add(chart, "g")
        add(self.group, "title", f"{self.number}: {stair_text(staircase, self.stair)}")
        self._weights()
        self._pods()

    def label(self, weight: str | None, pods: str | None, number: str | None) -> None:
        """Add the labels and marks on top of all columns; each label has a class, None for no label."""
        stair, staircase, is_now = self.stair, self.staircase, self.stair.place == NOW
        if is_now:
            for y, height in ((BAND, WEIGHTS), (PODS_TOP, PODS)):
                add(self.chart, "rect", name="rs-now", y=str(y), height=str(height), **self.place)
        is_sparse = self.count <= NARROW // MARK
        if stair.wait and (is_sparse or is_now or number is not None):
            name = "" if is_sparse or is_now else number or ""
            add_mark(self.chart, stair.wait, self.middle, BAND - 9, name=name)
        if weight is not None and stair.shares:
            leading = _leading(stair)[1]
            level = BAND + WEIGHTS - WEIGHTS * leading // staircase.max_weight
            self._text(staircase.percent(leading), max(level - 4, BAND + 12), f"rs-v {weight}".strip())
        if pods is not None:
            level = BOTTOM - PODS * stair.pods // max(staircase.peak_pods, 1)
            self._text(str(stair.pods), min(level + 12, BOTTOM - 3), f"rs-v {pods}".strip())
        if number is not None or is_now:
            self._text(self.number, BOTTOM + 12, "rs-b" if is_now else number or "")
        if stair.phase and self.count <= NARROW // LETTER:
            self._text(stair.phase[0].upper(), BOTTOM + LINE + 10, "rs-b")

    def _weights(self) -> None:
        """Draw the weights: the new version from below, the stable one from above."""
        shares = [share for share in self.stair.shares if share.weight]
        out_of, done = self.staircase.max_weight, 0
        # Shares of pods are rounded down; the highest one has the remainder.
        rounding = out_of - sum(share.weight for share in shares)
        for share in shares:
            is_last = share is shares[-1]
            more = share.weight + (rounding if is_last and rounding < max(len(shares), 2) else 0)
            low, high = (BAND + WEIGHTS - WEIGHTS * part / out_of for part in (done, done + more))
            self._rectangle(share.version.kind, high, low)
            if done:
                add(self.group, "line", name="rs-edge", x1=self.left, x2=self.right, y1=fixed(low), y2=fixed(low))
            done += more

    def _pods(self) -> None:
        """Draw the pods of each version, and a dashed line at the largest number on the way to the step."""
        peak, low = max(self.staircase.peak_pods, 1), float(BOTTOM)
        for share in self.stair.shares:
            if share.pods:
                high = low - PODS * share.pods / peak
                self._rectangle(share.version.kind, high, low)
                low = high
        level = fixed(BOTTOM - PODS * self.stair.peak_pods / peak)
        add(self.group, "line", name="rs-peak", x1=self.left, x2=self.right, y1=level, y2=level)

    def _rectangle(self, kind: str, high: float, low: float) -> None:
        add(self.group, "rect", y=fixed(high), height=fixed(low - high), **self.place, **fill(kind, self.key))

    def _text(self, text: str, y: int, name: str) -> None:
        # The outermost labels stay within the picture, also where they are wider than their columns.
        x, side = self.middle, ""
        if self.count > NARROW // LABEL and self.place["x"] == percent(0, 1):
            x, side = self.left, "rs-first"
        elif self.count > NARROW // LABEL and self.right == percent(1, 1):
            x, side = self.right, "rs-last"
        add(self.chart, "text", text, name=" ".join(filter(None, ("rs-s", side, name))), x=x, y=str(y))


def _leading(stair: Stair) -> tuple[str, int]:
    """Return the kind and the weight of the new version, or of the stable one if nothing is new."""
    for kind in (NEW, STABLE):
        for share in stair.shares:
            if share.version.kind == kind:
                return kind, share.weight
    return "", 0


def _places(values: Sequence[str]) -> list[str | None]:
    """Return the class of each column's label, None without one: changes have one, as far as they fit."""
    found: list[str | None] = [None] * len(values)
    for width, name in ((WIDE, "rs-wide"), (NARROW, "")):
        apart = -(-LABEL * len(values) // width)
        last = -apart
        for index, value in enumerate(values):
            if (index == 0 or value != values[index - 1]) and index - last >= apart:
                found[index] = name
                last = index
    return found
