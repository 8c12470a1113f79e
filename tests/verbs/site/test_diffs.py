"""The diff between any two steps is that of their files, however many steps lie between them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from renderer.pipeline.write.output_folder import file_diff
from renderer.verbs.site.diffs import MOST_VERSIONS, diffs_of

TEXT = st.sampled_from(["", "a\n", "a\nb\n", "b\n", "no end"])
STEPS = st.lists(st.dictionaries(st.sampled_from(["a.yaml", "b.yaml"]), TEXT), min_size=1, max_size=6)


@given(STEPS)
def test_any_two_steps(steps: list[dict[str, str]]) -> None:
    found = diffs_of(steps)
    for old, before in enumerate(steps):
        for new, after in enumerate(steps):
            expected = [
                (path, "".join(file_diff(path, before.get(path), after.get(path))))
                for path in sorted(before.keys() | after.keys())
                if before.get(path) != after.get(path)
            ]
            assert found.between(old, new) == expected


def test_of_many_versions_only_neighbours_are_compared() -> None:
    found = diffs_of([{"a.yaml": f"{number}\n"} for number in range(MOST_VERSIONS + 1)])
    assert len(found.diffs["a.yaml"]) == 2 * MOST_VERSIONS
    assert found.between(3, 4) == [("a.yaml", "--- a/a.yaml\n+++ b/a.yaml\n@@ -1 +1 @@\n-3\n+4\n")]
