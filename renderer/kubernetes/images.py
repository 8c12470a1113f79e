"""References of container images: their parts, which of them name one image, and their versions in messages.

The grammar and the defaults are those of github.com/distribution/reference v0.6.0 (``regexp.go``, ``normalize.go``),
which the kubelet and containerd use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from renderer.kubernetes.manifest import Body

_DIGEST_LENGTH = 12
_MOST_CHARACTERS = 255
"""The most characters of a repository's path."""
_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_PART = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REST = re.compile(
    rf"(?P<path>{_PART}(?:/{_PART})*)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}))?(?:@(?P<digest>[^@]+))?"
)
_DIGEST = re.compile("sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}")
_IDENTIFIER = re.compile("[a-f0-9]{64}")


class ImageReference(Struct, frozen=True):
    """A reference with the defaults of the kubelet: ``docker.io``, ``library/``, and the tag ``latest``.

    ``tag`` is empty beside a ``digest`` where the reference has none; ``digest`` is empty without one.
    """

    repository: str
    tag: str
    digest: str

    def is_same(self, other: ImageReference) -> bool:
        """Return whether both references name one image, as far as they show it.

        Two digests decide alone, whatever the repositories and the tags are.  Without two digests, the repository and
        the tag decide.  A digest without a tag and a tag without a digest cannot be compared: they are not the same.
        """
        if self.digest and other.digest:
            return self.digest == other.digest
        return bool(self.tag) and (self.repository, self.tag) == (other.repository, other.tag)


def parse_image(image: str) -> ImageReference | None:
    """Return the parts of a reference; None for one that no container runtime accepts.

    The name of a registry is in lower case, since DNS ignores case.
    """
    if _IDENTIFIER.fullmatch(image):
        return None
    domain, slash, rest = image.partition("/")
    is_domain = slash and (domain == "localhost" or "." in domain or ":" in domain or domain != domain.lower())
    if not is_domain or domain == "index.docker.io":
        domain, rest = "docker.io", rest if is_domain else image
    if domain == "docker.io" and "/" not in rest:
        rest = f"library/{rest}"
    if _DOMAIN.fullmatch(domain) is None:
        # The grammar takes it for a part of the path.
        domain, rest = "", f"{domain}/{rest}"
    found = _REST.fullmatch(rest)
    if found is None or len(found["path"]) > _MOST_CHARACTERS:
        return None
    tag, digest = found["tag"] or "", found["digest"] or ""
    if digest and _DIGEST.fullmatch(digest) is None:
        return None
    repository = f"{domain.lower()}/{found['path']}" if domain else found["path"]
    return ImageReference(repository, tag or ("" if digest else "latest"), digest)


class Images:
    """Some images, of which ``find`` finds the same one as another reference without a comparison with each."""

    def __init__(self, images: Iterable[str]) -> None:
        self._digests: dict[str, str] = {}
        self._plain: dict[tuple[str, str], str] = {}
        self._pinned: dict[tuple[str, str], str] = {}
        """The first image with a repository and a tag: of those without a digest, and of those with one."""
        for image in images:
            found = parse_image(image)
            if found is None:
                continue
            if found.digest:
                self._digests.setdefault(found.digest, image)
            if found.tag:
                names = self._pinned if found.digest else self._plain
                names.setdefault((found.repository, found.tag), image)

    def find(self, image: str) -> str:
        """Return an image that is the same as ``image`` by ``is_same_image``; empty without one."""
        found = parse_image(image)
        if found is None:
            return ""
        name = (found.repository, found.tag)
        by_digest = self._digests.get(found.digest, "") if found.digest else self._pinned.get(name, "")
        return by_digest or self._plain.get(name, "")


def is_same_image(image: str, other: str) -> bool:
    """Return ``ImageReference.is_same`` of two references; a malformed one names no image."""
    first, second = parse_image(image), parse_image(other)
    return first is not None and second is not None and first.is_same(second)


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
    images = list(container_images(template))
    if other is not None:
        known = set(container_images(other))
        images = [image for image in images if image not in known]
    else:
        images = images[:1]
    return ", ".join(dict.fromkeys(map(image_version, images)))


def container_images(template: Body) -> Iterator[str]:
    """Yield the images of a pod template's containers, then those of its init containers."""
    spec = template.get("spec") or {}
    for name in ("containers", "initContainers"):
        for container in spec.get(name) or ():
            if isinstance(container, dict) and isinstance(container.get("image"), str):
                yield container["image"]


def pod_images(template: Body) -> Iterator[str]:
    """Yield the images of a pod template's containers, and those of its image volumes."""
    yield from container_images(template)
    for volume in (template.get("spec") or {}).get("volumes") or ():
        source = volume.get("image") if isinstance(volume, dict) else None
        if isinstance(source, dict) and isinstance(source.get("reference"), str):
            yield source["reference"]
