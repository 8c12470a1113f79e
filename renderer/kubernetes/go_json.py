"""JSON as Go's ``encoding/json`` (1.22 and newer) prints it, for texts that are hashed or compared byte for byte."""

from __future__ import annotations

import json
import re
from typing import Any

# Go escapes for HTML, and replaces lone surrogates.
_SPECIAL = re.compile("[<>&\u2028\u2029\ud800-\udfff]")
_ESCAPES = {char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def go_json(value: Any, *, sort_keys: bool = False) -> str:
    """Return compact JSON with Go's escapes, with the keys sorted or in their own order."""
    return escape(json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=sort_keys))


def escape(text: str) -> str:
    """Return JSON printed by Python with the escapes that Go adds."""
    return _SPECIAL.sub(lambda match: _ESCAPES.get(match[0], "\ufffd"), text) if _SPECIAL.search(text) else text
