"""Arguments of analyses, and their values within metrics (``utils/analysis``, ``utils/template``)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from renderer.kubernetes.go_json import go_json
from renderer.kubernetes.manifest import Body
from renderer.rollouts.analysis.expr.values import float_text
from renderer.rollouts.analysis.go_quote import quote
from renderer.rollouts.analysis.metrics import InvalidAnalysisError, Metric, metric_of

PLACEHOLDER = "temp-for-secret"
"""The controller's stand-in for a secret where it only checks a metric."""

_ORDER = (
    *("name", "interval", "initialDelay", "count", "successCondition", "failureCondition", "failureLimit"),
    *("inconclusiveLimit", "consecutiveErrorLimit", "provider", "consecutiveSuccessLimit"),
)
"""The fields of a metric in the order in which Go writes them."""


class Argument(Struct, frozen=True):
    """An argument: its value, or where that comes from."""

    name: str
    value: str | None = None
    value_from: Body | None = None

    @property
    def secret(self) -> tuple[str, str] | None:
        """Name and key of the secret that has the value."""
        reference = (self.value_from or {}).get("secretKeyRef")
        return (str(reference.get("name")), str(reference.get("key"))) if reference is not None else None


def arguments_of(bodies: Sequence[Body]) -> tuple[Argument, ...]:
    """Return the arguments of a manifest's ``args``."""
    return tuple(
        Argument(
            str(body.get("name")), None if body.get("value") is None else str(body["value"]), body.get("valueFrom")
        )
        for body in bodies
    )


def merge_arguments(incoming: Sequence[Argument], template: Sequence[Argument]) -> tuple[Argument, ...]:
    """Return a template's arguments with the incoming values; those that the template does not have are dropped.

    Raises ``InvalidAnalysisError`` for an argument without a value.
    """
    merged = list(template)
    for argument in incoming:
        index = next((index for index, other in enumerate(merged) if other.name == argument.name), None)
        if index is None:
            continue
        if argument.value is not None:
            merged[index] = replace(merged[index], value=argument.value)
        elif argument.value_from is not None:
            merged[index] = replace(merged[index], value_from=argument.value_from)
    for argument in merged:
        if argument.value is None and argument.value_from is None:
            raise InvalidAnalysisError(f"args.{argument.name} was not resolved")
    return tuple(merged)


def without_secrets(arguments: Sequence[Argument]) -> tuple[Argument, ...]:
    """Return the arguments with a placeholder for each secret."""
    return tuple(Argument(item.name, PLACEHOLDER) if item.secret is not None else item for item in arguments)


def with_secrets(
    arguments: Sequence[Argument], secrets: Mapping[str, Mapping[str, str]]
) -> tuple[tuple[Argument, ...], tuple[str, ...]]:
    """Return the arguments with the values of their secrets, and those values, which must not be shown.

    Raises ``InvalidAnalysisError`` for a missing secret or key.
    """
    found, hidden = [], []
    for argument in arguments:
        if argument.secret is not None:
            name, key = argument.secret
            if name not in secrets:
                raise InvalidAnalysisError(f'secrets "{name}" not found')
            if key not in secrets[name]:
                raise InvalidAnalysisError(f"key '{key}' does not exist in secret '{name}'")
            argument = replace(argument, value=secrets[name][key])
            hidden.append(secrets[name][key])
        found.append(argument)
    return tuple(found), tuple(dict.fromkeys(value for value in hidden if value))


def hide(text: str, secrets: Sequence[str]) -> str:
    """Return a text with asterisks in the place of each secret."""
    for secret in secrets:
        text = text.replace(secret, "*****")
    return text


def resolve_metric(body: Body, arguments: Sequence[Argument]) -> Metric:
    """Return a metric with the values of its arguments; raise ``InvalidAnalysisError`` for one without a value.

    As in the controller, the values are put into the metric's JSON, with Go's escapes.
    """
    ordered = {key: body[key] for key in (*_ORDER, *(key for key in body if key not in _ORDER)) if key in body}
    quoted = [replace(item, value=None if item.value is None else quote(item.value)[1:-1]) for item in arguments]
    resolved = resolve(go_json(ordered), quoted)
    try:
        return metric_of(json.loads(resolved))
    except json.JSONDecodeError as error:
        # Go's escapes are more than JSON's: \a, \v, \x07 and \U0001f600 are none there.
        found = quote(resolved[error.pos + 1 : error.pos + 2])[1:-1]
        raise InvalidAnalysisError(f"invalid character '{found}' in string escape code") from None


def resolve(template: str, arguments: Sequence[Argument]) -> str:
    """Return a text with the values of ``{{args.name}}``; raise ``InvalidAnalysisError`` for what has none."""
    values = {}
    for argument in arguments:
        if argument.value is None:
            raise InvalidAnalysisError(f'argument "{argument.name}" was not supplied')
        values[f"args.{argument.name}"] = argument.value
    return substitute(template, values)


def substitute(template: str, values: Mapping[str, str]) -> str:
    """Return a text with a value for each ``{{tag}}``; raise ``InvalidAnalysisError`` for an unknown one."""
    parts, unresolved = [], ""
    rest = template
    while "{{" in rest:
        before, _, rest = rest.partition("{{")
        tag, closed, after = rest.partition("}}")
        if not closed:
            raise InvalidAnalysisError(
                f'Cannot find end tag="}}}}" in the template={quote(template)} starting from {quote(rest)}'
            )
        value = values.get(tag.strip())
        if value is None:
            unresolved = tag
        parts += [before, value or ""]
        rest = after
    if unresolved:
        raise InvalidAnalysisError(f"failed to resolve {{{{{unresolved}}}}}")
    return "".join((*parts, rest))


def arguments_from_rollout(
    arguments: Sequence[Body], rollout: Body, *, stable_hash: str, latest_hash: str
) -> tuple[Argument, ...]:
    """Return the arguments that a Rollout gives to its analyses; a secret stays with the template's argument.

    Raises ``InvalidAnalysisError`` for a field that the Rollout does not have.
    """
    found, error = [], ""
    for argument in arguments_of(arguments):
        value, source = argument.value or "", argument.value_from or {}
        if source.get("podTemplateHashValue") is not None:
            value = {"Latest": latest_hash, "Stable": stable_hash}.get(source["podTemplateHashValue"], value)
        elif source.get("fieldRef") is not None:
            path = str(source["fieldRef"].get("fieldPath") or "")
            if path.startswith("metadata"):
                value = _metadata_field(rollout, path)
                found.append(Argument(argument.name, value))
                continue
            # The error of the last such argument counts, as in the controller.
            value, error = _field(rollout, path)
        found.append(Argument(argument.name, value))
    if error:
        raise InvalidAnalysisError(error)
    return tuple(found)


def _metadata_field(rollout: Body, path: str) -> str:
    """Return a field as the downward API has it."""
    metadata: Mapping[str, Any] = rollout.get("metadata") or {}
    for name in ("annotations", "labels"):
        items: Mapping[str, str] = metadata.get(name) or {}
        if path == f"metadata.{name}":
            return "\n".join(f"{key}={quote(str(items[key]))}" for key in sorted(items))
        prefix = f"metadata.{name}['"
        if path.startswith(prefix) and path.endswith("']"):
            return str(items.get(path[len(prefix) : -2], ""))
    if path in ("metadata.name", "metadata.namespace", "metadata.uid"):
        return str(metadata.get(path.removeprefix("metadata.")) or "")
    if path.endswith("']") and "['" in path:
        raise InvalidAnalysisError(f"fieldPath {quote(path)} does not support subscript")
    raise InvalidAnalysisError(f"unsupported fieldPath: {path}")


def _field(rollout: Body, path: str) -> tuple[str, str]:
    """Return the text of any other field, and the error of a path that leads to none."""
    value: Any = rollout
    for section in re.split(r"[.\[\]]+", path):
        if not section:
            continue
        if isinstance(value, list):
            if not re.fullmatch(r"[+-]?[0-9]+", section):
                return "", f"invalid index '{section}'"
            if int(section) >= len(value):
                return "", f"index {int(section)} out of range"
            value = value[int(section)]
        elif isinstance(value, Mapping):
            value = value.get(section)
        else:
            return "", f"invalid path {path} in rollout"
    if value is None:
        return "", f"invalid path {path} in rollout"
    if isinstance(value, (list, Mapping)):
        return "", f"path {path} in rollout must terminate in a primitive value"
    if isinstance(value, bool):
        return ("true" if value else "false"), ""
    # Every number of JSON is a float64 here.
    return (float_text(float(value)) if isinstance(value, (int, float)) else str(value)), ""


def experiment_values(
    hashes: Mapping[str, str], names: Mapping[str, str], *, available_at: str = "", finished_at: str = ""
) -> dict[str, str]:
    """Return the values of an experiment's ``{{templates.x.podTemplateHash}}`` …, for ``substitute``.

    ``hashes`` and ``names`` are those of the ReplicaSet of each template; the times are RFC 3339, empty if not known.
    """
    values = {f"templates.{template}.podTemplateHash": text for template, text in hashes.items()}
    values |= {f"templates.{template}.replicaset.name": text for template, text in names.items()}
    times = {"experiment.availableAt": available_at, "experiment.finishedAt": finished_at}
    return values | {key: text for key, text in times.items() if text}
