"""Print references of images, one JSON string a line, for the golden file of ``make golden``."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import product

SEED, MUTATED = 20260301, 2000
ALPHABET = "abAB01./:@-_[] "
GOOD = (
    ("", "docker.io/", "index.docker.io/", "localhost/", "localhost:5000/", "Example.com/", "[2001:db8::1]:5000/"),
    ("web", "library/web", "shop/web", "a/b/c", "a__b--c.d"),
    ("", ":1.2.0", ":Latest_1"),
    ("", f"@sha256:{'0a' * 32}", f"@sha512:{'0a' * 64}"),
)
"""Parts of valid references: domains, paths, tags and digests."""
ODD = (
    ("registry-1.docker.io/", "example/", "EXAMPLE/", "127.0.0.1:5000/", "a-.com/", "a_b.com/", "e.io:/", "e.io:port/"),
    ("a___b", "a.-b", "Web", "shop/Web", "-web", "a//b", "", "a" * 247, "a" * 248, "a" * 255, "a" * 256),
    (":-1", ":", f":{'a' * 128}", f":{'a' * 129}"),
    (f"@sha384:{'0a' * 48}", f"@sha256:{'0A' * 32}", f"@sha256:{'0a' * 31}", f"@md5:{'0a' * 16}", "@"),
)
"""Parts at the limits and beyond them."""
OTHERS = ("0a" * 32, f"sha256:{'0a' * 32}", f"e.io/{'a' * 255}", f"e.io/{'a' * 256}", " web", "web ", "w\u00e9b")


def images() -> Iterator[str]:
    """Yield combinations with at most one odd part, and random changes of some."""
    parts = [GOOD, *((*GOOD[:place], ODD[place], *GOOD[place + 1 :]) for place in range(len(GOOD)))]
    made = ["".join(one) for some in parts for one in product(*some)]
    chosen = random.Random(SEED)
    yield from dict.fromkeys([*made, *OTHERS, *(_mutated(chosen, made) for _ in range(MUTATED))])


def _mutated(chosen: random.Random, made: list[str]) -> str:
    image = chosen.choice(made)
    for _ in range(chosen.randint(1, 2)):
        at = chosen.randint(0, min(len(image), 40))
        image = image[:at] + chosen.choice(("", *ALPHABET)) + image[at + chosen.randint(0, 1) :]
    return image


if __name__ == "__main__":
    for image in images():
        print(json.dumps(image))
