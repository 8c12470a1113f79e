"""Headers of requests, and OAuth 2.0 client credentials as Go's ``golang.org/x/oauth2`` asks for a token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode

from renderer.http import Answer, Request
from renderer.metric_providers.errors import ProviderError
from renderer.metric_providers.question import Question, json_error


def headers_of(*parts: Mapping[str, str]) -> Mapping[str, str]:
    """Return headers of which the last of a name counts, whatever its case."""
    return {name.title(): value for part in parts for name, value in part.items()}


def own_headers(fields: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the headers that a metric sets itself."""
    return {str(item.get("key") or ""): str(item.get("value") or "") for item in fields.get("headers") or ()}


async def bearer(
    question: Question, authentication: Mapping[str, Any], *, timeout: float, is_verified: bool
) -> Mapping[str, str]:
    """Return the headers of the metric's ``authentication.oauth2``; none without a token URL.

    Raises ``ProviderError``.  The server is first asked with the credentials in a header, then in the body.
    """
    settings: Mapping[str, Any] = authentication.get("oauth2") or {}
    url, name, secret = (str(settings.get(key) or "") for key in ("tokenUrl", "clientId", "clientSecret"))
    if not url:
        return {}
    if not name or not secret:
        raise ProviderError("missing mandatory parameter in metric for OAuth2 setup")
    question.hidden.add(secret)
    form = {"grant_type": "client_credentials"}
    if settings.get("scopes"):
        form["scope"] = " ".join(map(str, settings["scopes"]))
    basic = _basic(quote_plus(name), quote_plus(secret))
    content = {"Content-Type": "application/x-www-form-urlencoded"}
    attempts = (
        (content | {"Authorization": basic}, form),
        (content, form | {"client_id": name, "client_secret": secret}),
    )
    last: ProviderError | None = None
    for headers, fields in attempts:
        body = urlencode(sorted(fields.items())).encode()
        request = Request("POST", url, headers, body, timeout, is_verified, largest_answer=2**20)
        try:
            token = _token(await question.send(request))
        except ProviderError as error:
            last = error
        else:
            question.hidden.add(token)
            return {"Authorization": f"Bearer {token}"}
    assert last is not None
    raise last


def _basic(name: str, secret: str) -> str:
    from base64 import b64encode

    return f"Basic {b64encode(f'{name}:{secret}'.encode()).decode()}"


def _token(answer: Answer) -> str:
    is_failed = not 200 <= answer.status < 300
    refusal = ProviderError(f"oauth2: cannot fetch token: {answer.status} {answer.reason}\nResponse: {answer.text}")
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("application/x-www-form-urlencoded", "text/plain"):
        fields: Any = dict(parse_qsl(answer.text))
    else:
        try:
            fields = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise (
                refusal if is_failed else ProviderError(f"oauth2: cannot parse json: {json_error(answer.body)}")
            ) from None
    if not isinstance(fields, dict):
        raise refusal if is_failed else ProviderError("oauth2: cannot parse json: no object")
    if fields.get("error"):
        said = [json.dumps(str(fields[key])) for key in ("error", "error_description", "error_uri") if fields.get(key)]
        raise ProviderError(f"oauth2: {' '.join(said)}")
    if is_failed:
        raise refusal
    if not fields.get("access_token"):
        raise ProviderError("oauth2: server response missing access_token")
    return str(fields["access_token"])
