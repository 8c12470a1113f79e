"""A history of ten steps of a canary and a blue-green release, interleaved."""

from __future__ import annotations

from pathlib import Path

from tests.support.commands import TWO, Checkout

API = "registry.example.com/shop/api:2.0.0"
APPS = ("prod/api", "prod/web")
STEPS: tuple[tuple[str, ...], ...] = (
    ("set", "image", "prod/web", f"web={TWO}"),
    ("promote", "prod/web"),
    ("set", "image", "prod/api", f"api={API}"),
    ("advance", "prod/web"),
    ("promote", "prod/api"),
    ("abort", "prod/web"),
    ("advance", "prod/api"),
    ("retry", "prod/web"),
    ("promote", "prod/web"),
    ("scale", "prod/web", "--replicas", "8"),
)


def ten_steps(root: Path) -> Checkout:
    """Return a checkout at ``root`` with first releases and ten steps, one an hour."""
    checkout = Checkout(root)
    checkout.run("advance", *APPS, "--no-validate", "--now", "2026-03-01T08:00:00Z", "--together")
    for hour, step in enumerate(STEPS):
        checkout.run(*step, "--no-validate", "--now", f"2026-03-01T{9 + hour:02}:00:00Z")
    assert len(checkout.subjects) == 2 + len(STEPS)
    return checkout
