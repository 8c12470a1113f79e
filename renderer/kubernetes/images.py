"""Container images in messages."""

from __future__ import annotations

from collections.abc import Iterator

from renderer.kubernetes.manifest import Body

_DIGEST_LENGTH = 12


def image_version(image: str) -> str:
    """Return the part of an image that differs between versions: its tag, else its digest, else its name."""
    name, _, digest = image.partition("@")
    _, _, last = name.rpartition("/")
    _, _, tag = last.partition(":")
    if tag:
        return tag
    algorithm, _, value = digest.partition(":")
    return f"{algorithm}:{value[:_DIGEST_LENGTH]}" if value else last


def version_text(template: Body, other: Body | None = None) -> str:
    """Return the versions of a pod template's containers: those whose image ``other`` lacks, without it the first.

    The text is empty if the images are the same.
    """
    images = list(_images(template))
    if other is not None:
        known = set(_images(other))
        images = [image for image in images if image not in known]
    else:
        images = images[:1]
    return ", ".join(dict.fromkeys(map(image_version, images)))


def _images(template: Body) -> Iterator[str]:
    spec = template.get("spec") or {}
    for name in ("containers", "initContainers"):
        for container in spec.get(name) or ():
            if isinstance(container, dict) and isinstance(container.get("image"), str):
                yield container["image"]
