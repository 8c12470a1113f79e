"""Fixtures of all tests: a neutral environment, the project's root, and validation."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run, so that only a change of the code changes a result; and no deadlines, which a busy
# machine would miss.
settings.register_profile("project", derandomize=True, deadline=None)
settings.load_profile("project")


@pytest.fixture(scope="session")
def project() -> Path:
    """Return the root of the checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def neutral_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Isolate the tests from the user's git configuration, cache and variables."""
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Test\n\temail = test@example.com\n[init]\n\tdefaultBranch = main\n"
        # Tests make the steps of days within seconds, by --now.
        "[rollstep]\n\tclockMargin = 366\n",
        encoding="utf-8",
    )
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("GIT_", "ROLLSTEP_", "XDG_"))]:
            patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        yield


@pytest.fixture(scope="session")
def kubeconform() -> str:
    """Return the path of kubeconform, which `make setup` installs; fail without it."""
    from renderer.pipeline.validate.kubeconform import find_kubeconform

    found = find_kubeconform()
    assert found, "no kubeconform: run `make setup`"
    return found


@pytest.fixture(scope="session")
def assert_valid(kubeconform: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    """Return a function that fails if kubeconform -strict refuses one of its texts (by file name).

    Objects without a schema in Kubernetes pass only if ``skipped`` names their kinds.
    """
    from renderer.pipeline.validate.manifests import validate

    cache = tmp_path_factory.mktemp("schemas")

    def check(files: Mapping[str, str], *, version: str = "1.34", skipped: Collection[str] = ()) -> None:
        assert files, "nothing was rendered"
        validation = validate(files, version, kubeconform=kubeconform, cache=cache)
        assert [finding.text() for finding in validation.findings] == []
        assert [note for note in validation.skipped if not any(f" {kind}," in note.message for kind in skipped)] == []

    return check
