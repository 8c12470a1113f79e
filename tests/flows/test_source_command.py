"""An app whose manifests a command prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from renderer.pipeline.load import ALLOW_EXEC
from tests.support.commands import NOON, Checkout

HOOK = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: probe, annotations: {helm.sh/hook: test}}\n"


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """Return a repository in which a command prints the manifests of prod/web; no step is made yet."""
    monkeypatch.setenv(ALLOW_EXEC, "1")
    checkout = Checkout(tmp_path / "repo")
    app, base = checkout.root / "environments" / "prod" / "web", checkout.root / "base"
    base.mkdir()
    texts = [path.read_text(encoding="utf-8") for path in sorted(app.glob("*.yaml"))]
    (base / "all.yaml").write_text("---\n".join(texts) + HOOK, encoding="utf-8")
    for path in app.glob("*.yaml"):
        path.unlink()
    source = "source: {exec: [cat, base/all.yaml], reads: [base]}"
    settings = checkout.root / "rollstep.yaml"
    settings.write_text(f"{settings.read_text()}  prod: {{apps: {{web: {{{source}}}}}}}\n", encoding="utf-8")
    checkout.commit("Let a command print the manifests")
    return checkout


def test_a_hook_of_helm_is_not_rendered_and_told(printed: Checkout) -> None:
    done = printed.run("advance", "prod/web", "--no-validate", "--now", NOON)
    told = "the Pod probe is a Helm hook: left out"
    assert done.stderr.count(told) == 1
    assert "Pod/probe" not in printed.objects("prod/web")
    assert told in printed.run("render", "prod/web", "--check").stderr
    # A second check says it again.
    assert told in printed.run("render", "prod/web", "--check").stderr
    assert told in printed.run("render", "prod/web").stderr
    (note,) = printed.json("advance", "prod/web", "--dry-run")[0]["notes"]
    assert note.startswith("`cat base/all.yaml`:")
    assert note.endswith(told)


def test_a_manifest_beside_the_command_is_told(printed: Checkout) -> None:
    extra = "environments/prod/web/extra.yaml"
    (printed.root / extra).write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n", encoding="utf-8")
    printed.commit()
    done = printed.run("advance", "prod/web", "--no-validate", "--now", NOON)
    assert f"note: {extra}: is not read: `cat base/all.yaml` prints the manifests of prod/web" in done.stderr
    assert "ConfigMap/extra" not in printed.objects("prod/web")
