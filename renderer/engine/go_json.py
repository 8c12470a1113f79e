"""JSON as Go's encoding/json writes it, for texts inside annotations that others compare byte for byte."""

from __future__ import annotations

import json
from typing import Any

HTML = "<>&\u2028\u2029"


def go_json(value: Any) -> str:
    """Return compact JSON in the order of ``value``'s keys, with Go's escapes."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for character in HTML:
        text = text.replace(character, f"\\u{ord(character):04x}")
    # Go has short escapes for \n, \r and \t alone; a backslash before the letter would be an escaped one.
    if "\\b" in text or "\\f" in text:
        pairs = text.replace("\\\\", "\0").replace("\\b", "\\u0008").replace("\\f", "\\u000c")
        text = pairs.replace("\0", "\\\\")
    return text
