"""What one value of a pod template has to be: each judge returns what is wrong with it, or nothing (pure).

The rules are those of Kubernetes v1.34, ``apimachinery/pkg/util/validation`` and ``pkg/apis/core/validation``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from renderer.rollouts.checks.labels import DNS_SUBDOMAIN, is_dns_label, is_label_value, is_qualified_name

Judge = Callable[[Any], str]

_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_PORT_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?")
_HEADER_NAME = re.compile(r"[-A-Za-z0-9]+")
_SYSCTL = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?")
_FIELD_PATH = re.compile(r"(metadata\.(?:annotations|labels))\['(.*)'\]")
_OF_A_POD = ("metadata.name", "metadata.namespace", "metadata.uid")
_OF_A_RUNNING_POD = (
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_RESOURCES = tuple(
    f"{kind}.{name}" for kind in ("limits", "requests") for name in ("cpu", "memory", "ephemeral-storage")
)
_MOST_ID = 2**31 - 1


def required(value: Any) -> str:
    """Judge what cannot be missing or empty."""
    return "required" if value in (None, "", [], {}) else ""


def one_of(*words: str, empty: bool = True) -> Judge:
    """Judge a word of a list; ``empty`` tells whether an empty one stands for the default."""

    def judge(value: Any) -> str:
        if value is None or not isinstance(value, str) or value in words or (empty and not value):
            return ""
        return f"{json.dumps(value)} is none of {', '.join(words)}"

    return judge


def between(least: int, most: int) -> Judge:
    """Judge a number with bounds, both inclusive."""

    def judge(value: Any) -> str:
        right = not isinstance(value, int) or isinstance(value, bool) or least <= value <= most
        return "" if right else f"{value} is not between {least} and {most}"

    return judge


def at_least(least: int) -> Judge:
    """Judge a number with a lower bound, inclusive."""

    def judge(value: Any) -> str:
        right = not isinstance(value, int) or isinstance(value, bool) or value >= least
        return "" if right else f"{value} is less than {least}"

    return judge


def _of_text(expected: str, is_right: Callable[[str], object]) -> Judge:
    def judge(value: Any) -> str:
        right = not isinstance(value, str) or is_right(value)
        return "" if right else f"{json.dumps(value)} is no {expected}"

    return judge


def is_dns_subdomain(text: str) -> bool:
    """Tell whether ``text`` is an RFC 1123 subdomain."""
    return len(text) <= 253 and DNS_SUBDOMAIN.fullmatch(text) is not None


def is_port_name(text: str) -> bool:
    """Tell whether ``text`` may be the name of a port."""
    return len(text) <= 15 and _PORT_NAME.fullmatch(text) is not None


def _is_address(text: str) -> bool:
    try:
        # Kubernetes takes leading zeros of IPv4 as they were always taken, as decimal digits.
        ip_address(re.sub(r"\b0+(?=[0-9])", "", text) if ":" not in text else text)
    except ValueError:
        return False
    return True


def _leads_down(text: str) -> bool:
    return not text.startswith("/") and ".." not in text.split("/")


SUBDOMAIN = _of_text("DNS name: expected lower case letters, digits, - and ., up to 253 characters", is_dns_subdomain)
LABEL = _of_text("DNS label: expected up to 63 lower case letters, digits and -", is_dns_label)
LABEL_VALUE = _of_text("value of a label: expected up to 63 letters, digits, -, _ and .", is_label_value)
QUALIFIED = _of_text(
    "label: expected letters, digits, -, _ and ., after a domain and a slash or not", is_qualified_name
)
ADDRESS = _of_text("IP address", _is_address)
ENV_NAME = _of_text(
    "name of a variable: expected letters, digits, _, - and ., no digit first",
    lambda text: _ENV_NAME.fullmatch(text) and text != "." and not text.startswith(".."),
)
CONFIG_KEY = _of_text(
    "key of a ConfigMap or Secret: expected up to 253 letters, digits, -, _ and .",
    lambda text: len(text) <= 253 and _CONFIG_KEY.fullmatch(text) and text != "." and not text.startswith(".."),
)
HEADER_NAME = _of_text("name of an HTTP header", _HEADER_NAME.fullmatch)
SYSCTL = _of_text("name of a sysctl", lambda text: len(text) <= 253 and _SYSCTL.fullmatch(text))
DOWN = _of_text("path within the volume: expected a relative one without ..", _leads_down)
LOCAL = _of_text(
    "path within the volume: expected a relative one without .., and .. not at its beginning",
    lambda text: _leads_down(text) and not text.startswith(".."),
)
NO_WAY_UP = _of_text("path without ..", lambda text: ".." not in text.split("/"))
ID = between(0, _MOST_ID)
MODE = between(0, 0o777)


def port(value: Any) -> str:
    """Judge a port that a probe or hook calls, by its number or name."""
    if isinstance(value, str):
        return "" if is_port_name(value) else f"{json.dumps(value)} is no name of a port, nor a number"
    return between(1, 65535)(0 if value is None else value)


def field_path(*, volume: bool) -> Judge:
    """Judge the field of a pod that a variable or a file (``volume``) shows."""
    known = (*_OF_A_POD, "metadata.annotations", "metadata.labels") if volume else (*_OF_A_POD, *_OF_A_RUNNING_POD)

    def judge(value: Any) -> str:
        if not isinstance(value, str) or value in known or _FIELD_PATH.fullmatch(value):
            return required(value)
        return f"{json.dumps(value)} is no field of a pod that can be shown: expected one of {', '.join(known)}"

    return judge


def subscript(value: Any) -> str:
    """Judge the label or annotation in a field such as ``metadata.labels['app']``."""
    match = _FIELD_PATH.fullmatch(value) if isinstance(value, str) else None
    return QUALIFIED(match[2].lower() if match[1].endswith("annotations") else match[2]) if match else ""


def resource(value: Any) -> str:
    """Judge the resource of a container that a variable or file shows."""
    if not isinstance(value, str) or not value:
        return required(value)
    known = value in _RESOURCES or value.startswith(("limits.hugepages-", "requests.hugepages-"))
    return "" if known else f"{json.dumps(value)} is none of {', '.join(_RESOURCES)}"
