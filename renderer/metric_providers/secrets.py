"""The data of Secrets, from where ``analysis.secrets`` says; no message has a value."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from renderer.errors import Finding, RollstepError
from renderer.metric_providers.access import Access
from renderer.metric_providers.errors import ProviderError
from renderer.metric_providers.programs import run_program
from renderer.metric_providers.question import Question

SOURCES = ("file", "env", "kubectl", "sops")
_TIMEOUT_SECONDS = 30
_HINT = "name its source in analysis.secrets: {file: PATH}, {env: {KEY: VARIABLE}}, {kubectl: true} or {sops: PATH}"


def read_secrets(references: Iterable[tuple[str, str]], access: Access) -> Mapping[str, Mapping[str, str]]:
    """Return the data of each Secret, by its name, for references of a name and a key.

    Raises ``RollstepError`` with every Secret and key that is missing, and the way to provide it.
    """
    found: dict[str, Mapping[str, str]] = {}
    findings: dict[Finding, None] = {}
    for name, key in dict.fromkeys(references):
        try:
            if name not in found:
                found[name] = asyncio.run(read_secret(name, access))
            if key not in found[name]:
                raise RollstepError(f"analysis.secrets.{name} has no key {key}", hint="add it to the Secret's source")
        except RollstepError as error:
            findings.update(dict.fromkeys(error.findings))
    if findings:
        raise RollstepError(findings)
    return found


async def read_secret(name: str, access: Access) -> Mapping[str, str]:
    """Return the data of a Secret; raise ``RollstepError`` for one that is missing or unreadable."""
    source = access.secrets.get(name)
    if source is None:
        raise RollstepError(f"the Secret {name} is needed", hint=_HINT)
    if "env" in source:
        return _from_environment(name, source["env"], access)
    if "kubectl" in source:
        namespace = source["kubectl"] if isinstance(source["kubectl"], str) else access.namespace
        place = ["--namespace", namespace] if namespace else []
        argv = ["kubectl", "get", "secret", name, *place, "--output", "json"]
        return _data(name, await _printed(name, argv, access))
    if "sops" in source:
        return _data(name, await _printed(name, ["sops", "decrypt", str(source["sops"])], access))
    if "file" not in source:
        raise RollstepError(f"analysis.secrets.{name} names no source", hint=_HINT)
    return _from_file(name, Path(str(source["file"])))


async def provider_secret(question: Question, name: str, shown: Collection[str] = ()) -> Mapping[str, str] | None:
    """Return the data of a provider's own Secret, hidden from now on except for ``shown`` keys; None without a source.

    Raises ``ProviderError`` for one that cannot be read.
    """
    if name not in question.access.secrets:
        return None
    try:
        data = await read_secret(name, question.access)
    except RollstepError as error:
        raise ProviderError(error.findings[0].message) from None
    question.hidden.update(value.strip() for key, value in data.items() if key not in shown and value.strip())
    return data


def token(question: Question, variable: str) -> str:
    """Return an environment variable, whose value is hidden from now on; empty if it is not set."""
    value = question.access.environment.get(variable, "").strip()
    if value:
        question.hidden.add(value)
    return value


def _from_environment(name: str, variables: Any, access: Access) -> Mapping[str, str]:
    if not isinstance(variables, Mapping):
        raise RollstepError(f"analysis.secrets.{name}.env needs the variable of each key", hint=_HINT)
    missing = [variable for variable in variables.values() if variable not in access.environment]
    if missing:
        raise RollstepError(
            f"the Secret {name} needs the environment variable {', '.join(missing)}",
            hint="set it in the pipeline, as a protected variable",
        )
    return {key: access.environment[variable] for key, variable in variables.items()}


def _from_file(name: str, path: Path) -> Mapping[str, str]:
    """Read a Secret's manifest, a map of keys and values, or a folder with a file for each key."""
    try:
        if path.is_dir():
            files = [item for item in path.iterdir() if item.is_file() and not item.name.startswith(".")]
            return {item.name: item.read_text(encoding="utf-8") for item in files}
        return _data(name, path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"the Secret {name} cannot be read: {error.strerror or error}"
        raise RollstepError.at(str(path), message, "see analysis.secrets") from None
    except UnicodeDecodeError:
        raise RollstepError.at(str(path), f"the Secret {name} is no UTF-8 text", "see analysis.secrets") from None


async def _printed(name: str, argv: list[str], access: Access) -> str:
    hint = f"run `{' '.join(argv)}` to see why"
    try:
        output = await run_program(argv, access.environment, timeout=_TIMEOUT_SECONDS)
    except ProviderError as error:
        raise RollstepError(f"the Secret {name} cannot be read: {error}", hint=hint) from None
    if output.status:
        # Its errors stay out: nobody knows what they quote.
        message = f"the Secret {name} cannot be read: {argv[0]} failed with exit status {output.status}"
        raise RollstepError(message, hint=hint)
    return output.stdout.decode(errors="replace")


def _data(name: str, text: str) -> Mapping[str, str]:
    """Return the data of a Secret's manifest, or of a plain map of keys and texts."""
    from renderer.kubernetes.yaml.reader import load_documents

    error = RollstepError(f"the source of the Secret {name} is neither a Secret nor a map of keys and texts")
    try:
        documents = [document.value for document in load_documents(text, "") if document.value is not None]
    except RollstepError:
        raise error from None
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise error
    body = documents[0]
    if body.get("kind") != "Secret":
        return {str(key): value for key, value in body.items() if isinstance(value, str)}
    data = {str(key): str(value) for key, value in (body.get("stringData") or {}).items()}
    try:
        encoded = {str(key): base64.b64decode(str(value)) for key, value in (body.get("data") or {}).items()}
    except binascii.Error:
        raise RollstepError(f"the data of the Secret {name} is no base64") from None
    return {key: value.decode(errors="replace") for key, value in encoded.items()} | data
