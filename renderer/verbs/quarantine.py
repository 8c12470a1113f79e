"""``rollstep quarantine``: add an image to ``quarantine.yaml`` or lift it, each in a commit of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from renderer.errors import RollstepError, UsageError, one_line
from renderer.git.commit import CommitResult
from renderer.kubernetes.images import image_version, parse_image
from renderer.pipeline.commit.part import Request
from renderer.pipeline.commit.trailers import LIFT, QUARANTINE, lift_value, listed_value
from renderer.verbs.policy.listed_image import QUARANTINE_FILE, ListedImage
from renderer.verbs.policy.quarantine import lifted, load_quarantine, quarantined, read_quarantine
from renderer.verbs.policy_file import open_policy_file

QuarantineCommit = tuple[Sequence[ListedImage], CommitResult | None]
"""The entries that a commit adds or lifts, and the commit; None for a dry run."""


def add_image(
    request: Request,
    note: Callable[[str], object],
    image: str,
    *,
    app: str,
    environments: Sequence[str],
    reason: str,
) -> QuarantineCommit:
    """Commit an entry for ``image``; an empty ``app`` and no ``environments`` mean all.

    Raises UsageError for a malformed image, a missing reason, an unknown app and an unknown environment, and
    RollstepError for an image that is listed already.
    """
    reason = _required(reason)
    if parse_image(image) is None:
        raise UsageError(f"{image!r} is not an image", hint="name it as a pod template does: registry/name:tag@digest")
    with open_policy_file(request, note, QUARANTINE_FILE) as file:

        def add() -> QuarantineCommit:
            file.check_environments(environments)
            if app:
                file.check_app(app)
            text = read_quarantine(file.root)
            entry = ListedImage(image, file.now, app, tuple(sorted(set(environments))), reason=reason)
            new = quarantined(text, [entry])
            if new == text:
                raise RollstepError(f"{image} of {entry.where} is in quarantine already")
            subject = f"Quarantine {image_version(image)} of {entry.where}: {reason}"
            return [entry], file.commit(new, subject, [(QUARANTINE, listed_value(app, image))])

        return file.run(add)


def lift_image(
    request: Request, note: Callable[[str], object], image: str, apps: Sequence[str], reason: str
) -> QuarantineCommit:
    """Commit the removal of the entries of ``image``: those of ``apps``, without them all.

    Raises UsageError for a missing reason and an image that is not listed.
    """
    reason = _required(reason)

    def is_named(entry: ListedImage) -> bool:
        return entry.matches(image) and (not apps or entry.app in apps)

    with open_policy_file(request, note, QUARANTINE_FILE) as file:
        was_listed = any(map(is_named, load_quarantine(file.root)))

        def lift() -> QuarantineCommit:
            listed = load_quarantine(file.root)
            found = [entry for entry in listed if is_named(entry)]
            if not found and was_listed:
                message = f"somebody else has lifted {image} meanwhile"
                raise RollstepError.at(QUARANTINE_FILE, message, "rollstep quarantine list prints the others")
            if not found:
                known = ", ".join(dict.fromkeys(entry.image for entry in listed))
                of = f" of {', '.join(apps)}" if apps else ""
                raise UsageError(f"{image}{of} is not in quarantine" + (f" (there are {known})" if known else ""))
            where = ", ".join(dict.fromkeys(entry.where for entry in found))
            subject = f"Lift the quarantine of {image_version(image)} of {where}"
            body = "\n".join((reason, "", *(f"{entry.image} was {entry.text}" for entry in found)))
            trailers = [(LIFT, lift_value(entry.app, entry.image, reason)) for entry in found]
            text = lifted(read_quarantine(file.root) or "", is_named)
            return found, file.commit(text, subject, trailers, body)

        return file.run(lift)


def _required(reason: str) -> str:
    reason = one_line(reason)
    if not reason:
        raise UsageError("a quarantine needs a reason, and so does its lift")
    return reason
