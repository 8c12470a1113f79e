"""References of images: their parts, which are the same, and versions in messages."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.kubernetes.images import (
    ImageReference,
    Images,
    image_version,
    is_same_image,
    parse_image,
    pod_images,
    version_text,
)
from tests.support.commands import PROJECT
from tests.support.image_corpus import images

DIGEST = "sha256:" + "0123456789abcdef" * 4
OTHER_DIGEST = "sha256:" + "fedcba9876543210" * 4


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("nginx:1.27", "1.27"),
        ("registry.example.com:5000/shop/web:2.0.0", "2.0.0"),
        ("registry.example.com:5000/shop/web", "web"),
        (f"shop/web@{DIGEST}", "sha256:0123456789ab"),
        (f"shop/web:2.0.0@{DIGEST}", "2.0.0"),
        ("", ""),
    ],
)
def test_the_version_of_an_image(image: str, version: str) -> None:
    assert image_version(image) == version


def template(*images: str, init: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "spec": {
            "initContainers": [{"name": image, "image": image} for image in init],
            "containers": [{"name": image, "image": image} for image in images],
        }
    }


def test_a_template_shows_its_first_image_or_those_that_another_lacks() -> None:
    assert version_text(template("web:2", "proxy:1")) == "2"
    assert version_text(template("web:2", "proxy:2"), template("web:1", "proxy:1")) == "2"
    assert version_text(template("web:2", "proxy:3"), template("web:1", "proxy:1")) == "2, 3"
    assert version_text(template("web:1", init=("migrate:4",)), template("web:1", init=("migrate:3",))) == "4"
    assert version_text(template("web:1"), template("web:1")) == ""
    assert version_text({}) == ""
    assert version_text({"spec": {"containers": [{"name": "web"}, None]}}) == ""


@pytest.mark.parametrize(
    ("image", "repository", "tag", "digest"),
    [
        ("nginx", "docker.io/library/nginx", "latest", ""),
        ("docker.io/nginx:1.27", "docker.io/library/nginx", "1.27", ""),
        ("index.docker.io/library/nginx:1.27", "docker.io/library/nginx", "1.27", ""),
        ("shop/web", "docker.io/shop/web", "latest", ""),
        ("localhost/web:1", "localhost/web", "1", ""),
        ("Registry.example.com:5000/shop/web:1", "registry.example.com:5000/shop/web", "1", ""),
        ("[2001:db8::1]:5000/web:1", "[2001:db8::1]:5000/web", "1", ""),
        (f"web@{DIGEST}", "docker.io/library/web", "", DIGEST),
        (f"web:1@{DIGEST}", "docker.io/library/web", "1", DIGEST),
    ],
)
def test_a_reference_has_the_defaults_of_the_kubelet(image: str, repository: str, tag: str, digest: str) -> None:
    assert parse_image(image) == ImageReference(repository, tag, digest)


@pytest.mark.parametrize(
    "image",
    [
        "",
        "Web",
        "shop/Web:1",
        "web:",
        "web:1:2",
        "web@sha256:1234",
        f"web@{DIGEST}0",
        f"{DIGEST[7:]}",
        "web:1\n",
        " web",
    ],
)
def test_what_no_runtime_accepts_is_no_reference(image: str) -> None:
    assert parse_image(image) is None
    assert not is_same_image(image, image)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("nginx", "docker.io/library/nginx:latest", True),
        ("web:1", "web:2", False),
        ("web:1", "shop/web:1", False),
        (f"web:1@{DIGEST}", f"mirror.example.com/web:2@{DIGEST}", True),
        (f"web:1@{DIGEST}", f"web:1@{OTHER_DIGEST}", False),
        (f"web:1@{DIGEST}", "web:1", True),
        (f"web@{DIGEST}", "web", False),
        (f"web@{DIGEST}", "web:1", False),
    ],
)
def test_digests_decide_before_tags(one: str, other: str, same: bool) -> None:
    assert is_same_image(one, other) is same
    assert is_same_image(other, one) is same


def test_every_reference_has_the_parts_that_the_kubelet_reads() -> None:
    lines = gzip.decompress((PROJECT / "tests/data/images/golden.jsonl.gz").read_bytes()).splitlines()
    golden = [json.loads(line) for line in lines]
    assert [want["image"] for want in golden] == list(images())
    assert 500 < sum(bool(want["name"]) for want in golden) < len(golden) - 500
    for want in golden:
        domain, slash, path = want["name"].partition("/")
        wanted = ImageReference(f"{domain.lower()}{slash}{path}", want["tag"], want["digest"]) if path else None
        assert parse_image(want["image"]) == wanted, want["image"]


_part = st.from_regex("[a-z0-9]{1,3}(?:[._-][a-z0-9]{1,3})?", fullmatch=True)
_domain = st.sampled_from(["docker.io", "localhost", "registry.example.com", "registry.example.com:5000"])
_tag = st.from_regex("[A-Za-z0-9_][A-Za-z0-9_.-]{0,5}", fullmatch=True)
_digest = st.sampled_from(["", DIGEST, OTHER_DIGEST])


@given(_domain, st.lists(_part, min_size=2, max_size=3), _tag, _digest)
def test_the_parts_of_a_reference_are_read_back(domain: str, parts: list[str], tag: str, digest: str) -> None:
    repository = "/".join((domain, *parts))
    image = f"{repository}:{tag}" + (f"@{digest}" if digest else "")
    assert parse_image(image) == ImageReference(repository, tag, digest)
    assert is_same_image(image, image)
    if domain == "docker.io":
        assert parse_image(image.removeprefix("docker.io/")) == parse_image(image) or "." in parts[0]


_image = st.builds(
    "{}{}{}".format,
    st.sampled_from(["web", "library/web", "shop/web", "Web"]),
    st.sampled_from(["", ":1", ":latest"]),
    _digest.map(lambda digest: digest and f"@{digest}"),
)


@given(st.lists(_image, max_size=6), _image)
def test_an_image_is_found_as_by_a_comparison_with_each(known: list[str], image: str) -> None:
    found = Images(known).find(image)
    same = [other for other in known if is_same_image(image, other)]
    assert found in same if same else found == ""


@given(st.text(max_size=40))
def test_any_text_is_a_reference_or_none(image: str) -> None:
    found = parse_image(image)
    assert found is None or parse_image(f"{found.repository}:{found.tag}".rstrip(":")) is not None


def test_image_volumes_are_images_of_a_pod() -> None:
    pod = template("web:2", init=("setup:1",))
    pod["spec"]["volumes"] = [{"name": "a", "emptyDir": {}}, {"name": "b", "image": {"reference": "assets:3"}}]
    assert list(pod_images(pod)) == ["web:2", "setup:1", "assets:3"]
    assert list(pod_images({})) == []
