"""The API server's rules for names, labels, annotations and selectors, as parts of JSON schemas.

The schemas of Kubernetes have types only.  The rules are those of Kubernetes v1.34
(``apimachinery/pkg/api/validation`` and ``apimachinery/pkg/util/validation``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]"
DNS_SUBDOMAIN = f"^{_SUBDOMAIN}$"
DNS_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
SERVICE_NAME = r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"
PATH_SEGMENT = r"^[^/%]+$"
LABEL_KEY = f"^({_SUBDOMAIN}/)?{_QUALIFIED}$"
ANNOTATION_KEY = f"^({_SUBDOMAIN.replace('a-z', 'A-Za-z')}/)?{_QUALIFIED}$"
LABEL_VALUE = f"^({_QUALIFIED})?$"
_KEY_WORDS = "expected up to 63 letters, digits, -, _ and ., after a domain and one slash or not"
WORDS: Mapping[str, str] = {
    DNS_SUBDOMAIN: "is not a valid name: expected lower case letters, digits, - and ., up to 253 characters",
    DNS_LABEL: "is not a valid name: expected up to 63 lower case letters, digits and -",
    SERVICE_NAME: "is not a valid name: expected up to 63 lower case letters, digits and -, a letter first",
    PATH_SEGMENT: "is not a valid name: expected a name without / and %",
    LABEL_KEY: f"is not a valid label: {_KEY_WORDS}",
    ANNOTATION_KEY: f"is not a valid annotation: {_KEY_WORDS}",
    LABEL_VALUE: "is not a valid label value: expected up to 63 letters, digits, -, _ and .",
}
"""The message for a text that does not match a pattern, by the pattern."""

NAMES: Mapping[tuple[str, str], str] = {("", "Service"): SERVICE_NAME, ("", "Namespace"): DNS_LABEL}
"""The pattern of an object's name by API group and kind, where it is not a DNS subdomain."""
SEGMENTS = (
    "rbac.authorization.k8s.io",
    "apiregistration.k8s.io",
    "certificates.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "storagemigration.k8s.io",
)
"""API groups with names such as ``system:node``."""
ADDRESSES = ("networking.k8s.io", "IPAddress")
SHORT_NAMES: Mapping[tuple[str, str], int] = {("batch", "CronJob"): 52}
"""The characters of a name, where there are fewer than 253."""

OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
SELECTOR = "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"
REQUIREMENT = "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelectorRequirement"
SERVICE_SPEC = "io.k8s.api.core.v1.ServiceSpec"
OPERATORS = ["In", "NotIn", "Exists", "DoesNotExist"]


def with_rules(definitions: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return the definitions of a Kubernetes version with the rules for labels, annotations and selectors."""
    values: Schema = {"pattern": LABEL_VALUE}
    changes: Mapping[tuple[str, str], Schema] = {
        (OBJECT_META, "labels"): _keyed(LABEL_KEY, values),
        (OBJECT_META, "annotations"): _keyed(ANNOTATION_KEY, {}),
        (SELECTOR, "matchLabels"): _keyed(LABEL_KEY, values),
        (SERVICE_SPEC, "selector"): _keyed(LABEL_KEY, values),
        (REQUIREMENT, "key"): {"pattern": LABEL_KEY},
        (REQUIREMENT, "operator"): {"enum": OPERATORS},
    }
    result = dict(definitions)
    for (name, field), rule in changes.items():
        schema = result[name]
        properties = schema["properties"]
        before, inner = properties[field], dict(rule)
        if isinstance(before.get("additionalProperties"), dict) and "additionalProperties" in inner:
            inner["additionalProperties"] = {**before["additionalProperties"], **inner["additionalProperties"]}
        result[name] = {**schema, "properties": {**properties, field: {**before, **inner}}}
    return result


def with_name(schema: Schema, group: str, kind: str) -> Schema:
    """Return the schema of an object's kind with the rule for its name."""
    pattern = NAMES.get((group, kind), PATH_SEGMENT if group in SEGMENTS else DNS_SUBDOMAIN)
    if (group, kind) == ADDRESSES:
        pattern = PATH_SEGMENT
    metadata = schema["properties"]["metadata"]
    properties = metadata.get("properties") or {}
    name = {**properties.get("name", {}), "pattern": pattern, "maxLength": SHORT_NAMES.get((group, kind), 253)}
    metadata = {**metadata, "properties": {**properties, "name": name}}
    return {**schema, "properties": {**schema["properties"], "metadata": metadata}}


def _keyed(pattern: str, values: Schema) -> Schema:
    """Return the rule of a mapping whose keys match ``pattern``."""
    return {"propertyNames": {"pattern": pattern, "maxLength": 317}, "additionalProperties": values}
