from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.errors import RollstepError
from renderer.pipeline.commit.message import compose_message
from renderer.pipeline.commit.trailers import releases, trailers_of
from renderer.pipeline.resolve.step_change import ObjectChange, ReplicaSetChange, StepChange

STEP = StepChange(
    app="web",
    environment="prod",
    action="step",
    revision=2,
    step=2,
    steps=6,
    weight=20,
    traffic="20% to 7776f59c58",
    stable="776569cbc6",
    canary="7776f59c58",
    verb="advance --to 2",
    note="setWeight: 20",
    replica_sets=(
        ReplicaSetChange("web-776569cbc6", 1, "stable", 5, 4, 100, 80),
        ReplicaSetChange("web-7776f59c58", 2, "canary", 1, 1, 10, 20),
    ),
    objects=(ObjectChange("Ingress", "web-web-canary", "canary-weight 10 -> 20"),),
)
ABORT = StepChange(app="api", environment="prod", action="abort", revision=7, stable="aaa", detail="back to revision 6")


def trailers(message: str) -> list[tuple[str, str]]:
    """Return what git itself reads from the message."""
    command = ["git", "interpret-trailers", "--parse"]
    parsed = subprocess.run(command, input=message.encode(), capture_output=True, check=True).stdout.decode()
    return [(key, value) for key, _, value in (line.partition(": ") for line in parsed.split("\n")[:-1])]


def test_the_message_of_a_step() -> None:
    assert compose_message([STEP]) == (
        "web (prod): step 2/6, 20% to 7776f59c58\n"
        "\n"
        "setWeight: 20\n"
        "\n"
        "ReplicaSet      Revision  Role    Replicas  Weight\n"
        "web-776569cbc6  1         stable  5 -> 4    100 -> 80\n"
        "web-7776f59c58  2         canary  1         10 -> 20\n"
        "\n"
        "Kind     Name            Change\n"
        "Ingress  web-web-canary  canary-weight 10 -> 20\n"
        "\n"
        "Rollstep-App: web\n"
        "Rollstep-Env: prod\n"
        "Rollstep-Verb: advance --to 2\n"
        "Rollstep-Step: 2/6\n"
        "Rollstep-Revision: 2\n"
        "Rollstep-Stable: 776569cbc6\n"
        "Rollstep-Canary: 7776f59c58\n"
    )


def test_unknown_values_are_left_out() -> None:
    assert compose_message([ABORT]) == (
        "api (prod): abort, back to revision 6\n"
        "\n"
        "Rollstep-App: api\n"
        "Rollstep-Env: prod\n"
        "Rollstep-Revision: 7\n"
        "Rollstep-Stable: aaa\n"
    )
    unweighted = StepChange("web", "prod", "scale", 1, replica_sets=(ReplicaSetChange("web-1", 1, "", None, 3),))
    assert "ReplicaSet  Revision  Role  Replicas\nweb-1       1         -     - -> 3\n" in compose_message([unweighted])


def test_several_apps_are_one_commit_with_the_trailers_of_each() -> None:
    message = compose_message([STEP, ABORT])
    subject = message.split("\n")[0]
    assert subject == "2 apps: web (prod) step 2/6, 20% to 7776f59c58; api (prod) abort, back to revision 6"
    assert "\n\napi (prod): abort, back to revision 6\n\n" in message
    assert trailers(message) == [*trailers_of(STEP), *trailers_of(ABORT)]
    assert releases(trailers(message)) == (
        {
            "App": "web",
            "Env": "prod",
            "Verb": "advance --to 2",
            "Step": "2/6",
            "Revision": "2",
            "Stable": "776569cbc6",
            "Canary": "7776f59c58",
        },
        {"App": "api", "Env": "prod", "Revision": "7", "Stable": "aaa"},
    )


def test_many_apps_do_not_make_an_endless_subject() -> None:
    message = compose_message([STEP] * 50)
    subject = message.split("\n")[0]
    assert subject.startswith("50 apps: ")
    assert len(subject) == 200
    assert len(releases(trailers(message))) == 50


def test_trailers_of_others_are_no_releases() -> None:
    assert releases([("Signed-off-by", "A"), ("Rollstep-Step", "1/2")]) == ()
    assert releases([("Rollstep-App", "web"), ("Signed-off-by", "A"), ("Rollstep-App", "api")]) == (
        {"App": "web"},
        {"App": "api"},
    )


nasty = st.text(max_size=12) | st.sampled_from(
    [
        "a\n\nRollstep-App: forged",
        "\nRollstep-Env: forged\n",
        "a\r\n---\r\n",
        "--- x",
        "\x1b[2Jx",
        "# x",
        "x\u2028y: z",
        ":",
    ]
)


@given(nasty, nasty, nasty, nasty)
def test_no_name_can_forge_or_lose_a_trailer(app: str, environment: str, detail: str, name: str) -> None:
    change = StepChange(
        app=f"a{app}",
        environment=f"e{environment}",
        action="step",
        revision=3,
        step=1,
        steps=2,
        canary="c",
        detail=detail,
        note=detail,
        replica_sets=(ReplicaSetChange(name, 1, detail, 1, 2),),
        objects=(ObjectChange("Ingress", name, detail),),
    )
    message = compose_message([change])
    found = trailers(message)
    assert [key.removeprefix("Rollstep-") for key, _ in found] == ["App", "Env", "Step", "Revision", "Canary"]
    assert dict(found)["Rollstep-Step"] == "1/2"
    assert all(character == "\n" or character.isprintable() for character in message)
    assert message.split("\n")[1] == ""


def test_a_users_templates_lay_out_subject_and_body_but_not_trailers(tmp_path: Path) -> None:
    (tmp_path / "commit-subject.j2").write_text("deploy({{ changes[0].app }}):\n  {{ changes[0].summary }}\n")
    (tmp_path / "commit-body.j2").write_text("one\n\n\n\n--- two\nRollstep-App: forged\n\n")
    message = compose_message([STEP], user_templates=tmp_path)
    assert message.startswith(
        "deploy(web): step 2/6, 20% to 7776f59c58\n\none\n\n --- two\nRollstep-App: forged\n\nRollstep-App: web\n"
    )
    assert trailers(message) == list(trailers_of(STEP))


def test_a_users_template_that_fails_or_is_empty_is_reported(tmp_path: Path) -> None:
    (tmp_path / "commit-subject.j2").write_text("\n{{ change.app }}\n")
    with pytest.raises(RollstepError, match=r"commit-subject\.j2:2: 'change' is undefined"):
        compose_message([STEP], user_templates=tmp_path)
    (tmp_path / "commit-subject.j2").write_text("\n")
    with pytest.raises(RollstepError, match="produces an empty subject"):
        compose_message([STEP], user_templates=tmp_path)
