"""Versions of images in messages."""

from __future__ import annotations

from typing import Any

import pytest

from renderer.kubernetes.images import image_version, version_text

DIGEST = "sha256:" + "0123456789abcdef" * 4


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
