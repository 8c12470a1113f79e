"""Validators of single values: each returns an error message, empty for a valid value.

The rules are those of Kubernetes v1.34, ``apimachinery/pkg/util/validation`` and ``pkg/apis/core/validation``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from renderer.rollouts.checks.labels import DNS_SUBDOMAIN, is_dns_label, is_label_value, is_qualified_name

Validator = Callable[[Any], str]

_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_PORT_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?")
_HEADER_NAME = re.compile(r"[-A-Za-z0-9]+")
_SYSCTL = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?")
_FIELD_PATH = re.compile(r"(metadata\.(?:annotations|labels))\['(.*)'\]")
_POD_FIELDS = ("metadata.name", "metadata.namespace", "metadata.uid")
_RUNNING_POD_FIELDS = (
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
_MAX_ID = 2**31 - 1


def required(value: Any) -> str:
    """Validate that a value is neither missing nor empty."""
    return "required" if value in (None, "", [], {}) else ""


def one_of(*words: str, empty: bool = True) -> Validator:
    """Return a validator for one of ``words``; ``empty`` allows an empty text, which means the default."""

    def validate(value: Any) -> str:
        if value is None or not isinstance(value, str) or value in words or (empty and not value):
            return ""
        return f"{json.dumps(value)} is not one of {', '.join(words)}"

    return validate


def between(minimum: int, maximum: int) -> Validator:
    """Return a validator for an integer within inclusive bounds."""

    def validate(value: Any) -> str:
        valid = not isinstance(value, int) or isinstance(value, bool) or minimum <= value <= maximum
        return "" if valid else f"{value} is not between {minimum} and {maximum}"

    return validate


def at_least(minimum: int) -> Validator:
    """Return a validator for an integer with an inclusive lower bound."""

    def validate(value: Any) -> str:
        valid = not isinstance(value, int) or isinstance(value, bool) or value >= minimum
        return "" if valid else f"{value} is less than {minimum}"

    return validate


def _text(expected: str, is_valid: Callable[[str], object]) -> Validator:
    def validate(value: Any) -> str:
        valid = not isinstance(value, str) or is_valid(value)
        return "" if valid else f"{json.dumps(value)} is not a valid {expected}"

    return validate


def is_dns_subdomain(text: str) -> bool:
    """Return whether ``text`` is an RFC 1123 subdomain."""
    return len(text) <= 253 and DNS_SUBDOMAIN.fullmatch(text) is not None


def is_port_name(text: str) -> bool:
    """Return whether ``text`` is a valid port name."""
    return len(text) <= 15 and _PORT_NAME.fullmatch(text) is not None


def _is_address(text: str) -> bool:
    try:
        # Kubernetes reads leading zeros of IPv4 as decimal digits.
        ip_address(re.sub(r"\b0+(?=[0-9])", "", text) if ":" not in text else text)
    except ValueError:
        return False
    return True


def _is_relative_path(text: str) -> bool:
    return not text.startswith("/") and ".." not in text.split("/")


SUBDOMAIN = _text("DNS name: expected lower case letters, digits, - and ., up to 253 characters", is_dns_subdomain)
LABEL = _text("DNS label: expected up to 63 lower case letters, digits and -", is_dns_label)
LABEL_VALUE = _text("label value: expected up to 63 letters, digits, -, _ and .", is_label_value)
QUALIFIED = _text("label: expected letters, digits, -, _ and ., after a domain and a slash or not", is_qualified_name)
ADDRESS = _text("IP address", _is_address)
ENV_NAME = _text(
    "variable name: expected letters, digits, _, - and ., no digit first",
    lambda text: _ENV_NAME.fullmatch(text) and text != "." and not text.startswith(".."),
)
CONFIG_KEY = _text(
    "key of a ConfigMap or Secret: expected up to 253 letters, digits, -, _ and .",
    lambda text: len(text) <= 253 and _CONFIG_KEY.fullmatch(text) and text != "." and not text.startswith(".."),
)
HEADER_NAME = _text("HTTP header name", _HEADER_NAME.fullmatch)
SYSCTL = _text("sysctl name", lambda text: len(text) <= 253 and _SYSCTL.fullmatch(text))
RELATIVE_PATH = _text("path within the volume: expected a relative one without ..", _is_relative_path)
LOCAL_PATH = _text(
    "path within the volume: expected a relative one without .., and .. not at its beginning",
    lambda text: _is_relative_path(text) and not text.startswith(".."),
)
PATH_WITHOUT_PARENT = _text("path: expected one without ..", lambda text: ".." not in text.split("/"))
ID = between(0, _MAX_ID)
MODE = between(0, 0o777)


def port(value: Any) -> str:
    """Validate the port of a probe or hook, by number or name."""
    if isinstance(value, str):
        return "" if is_port_name(value) else f"{json.dumps(value)} is neither a port name nor a number"
    return between(1, 65535)(0 if value is None else value)


def field_path(*, volume: bool) -> Validator:
    """Return a validator for the ``fieldPath`` of a variable or, with ``volume``, of a file."""
    known = (
        (*_POD_FIELDS, "metadata.annotations", "metadata.labels") if volume else (*_POD_FIELDS, *_RUNNING_POD_FIELDS)
    )

    def validate(value: Any) -> str:
        if not isinstance(value, str) or value in known or _FIELD_PATH.fullmatch(value):
            return required(value)
        return f"{json.dumps(value)} is not a field of the downward API: expected one of {', '.join(known)}"

    return validate


def subscript(value: Any) -> str:
    """Validate the key in a field such as ``metadata.labels['app']``."""
    match = _FIELD_PATH.fullmatch(value) if isinstance(value, str) else None
    return QUALIFIED(match[2].lower() if match[1].endswith("annotations") else match[2]) if match else ""


def resource(value: Any) -> str:
    """Validate the ``resource`` of a ``resourceFieldRef``."""
    if not isinstance(value, str) or not value:
        return required(value)
    known = value in _RESOURCES or value.startswith(("limits.hugepages-", "requests.hugepages-"))
    return "" if known else f"{json.dumps(value)} is not one of {', '.join(_RESOURCES)}"
