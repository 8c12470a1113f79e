"""What the frozen values have that msgspec leaves to their classes: a comparison without some of the fields."""

from __future__ import annotations

from msgspec import Struct


def is_equal_but(names: tuple[str, ...], one: Struct, other: object) -> bool:
    """Tell whether two values are of one type and equal in all fields but ``names``."""
    return type(one) is type(other) and all(
        getattr(one, name) == getattr(other, name) for name in one.__struct_fields__ if name not in names
    )
