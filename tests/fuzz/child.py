"""``python -m tests.fuzz.child TARGET SECONDS FOLDER``: fuzz one target with atheris, guided by coverage.

libFuzzer ends the process where the target raises, takes longer than ten seconds or more memory than it may, and
leaves the input that did it in FOLDER.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["renderer", "jinja2"], enable_loader_override=False):
    import renderer
    from tests.fuzz.targets import CORPUS, TARGETS

    # What the verbs import only when they are run has to be counted as well.
    for module in pkgutil.walk_packages(renderer.__path__, "renderer."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)

MEGABYTES = 256
"""The memory limit of a run, with the fuzzer's own tables."""


def fuzz(name: str, seconds: int, folder: Path) -> None:
    """Fuzz a target for some seconds; new inputs that cover more are kept in ``folder`` beside the seeds."""
    seeds, kept = CORPUS / name, folder / name
    kept.mkdir(parents=True, exist_ok=True)
    arguments = [
        f"-max_total_time={seconds}",
        "-timeout=10",
        f"-rss_limit_mb={MEGABYTES}",
        "-max_len=4096",
        "-print_final_stats=1",
        "-verbosity=0",
        f"-artifact_prefix={folder}/{name}-",
        str(kept),
        str(seeds),
    ]
    atheris.Setup([sys.argv[0], *arguments], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
