"""Signatures of AWS (Signature Version 4), with the credentials that AWS' own tools find."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from msgspec.structs import replace

from renderer.http import Request
from renderer.metric_providers.access import Access
from renderer.metric_providers.errors import ProviderError
from renderer.metric_providers.question import Question

EXTRA = "needs the extra aws: pip install 'rollstep[aws]'"


def problems(access: Access) -> Iterator[str]:
    """Yield the reason for which no request can be signed here."""
    if find_spec("botocore") is None:
        yield f"a signature of AWS {EXTRA}"


async def signed(question: Question, request: Request, service: str, settings: Mapping[str, Any]) -> Request:
    """Return a request with its signature for a service; ``settings`` has ``region``, ``profile`` and ``roleArn``.

    Raises ``ProviderError`` without the extra, a region or credentials.
    """
    request = await question.from_here(request)
    # botocore may ask the instance's metadata service or STS, and waits for the answer.
    return await asyncio.to_thread(_signed, question, request, service, settings)


def _signed(question: Question, request: Request, service: str, settings: Mapping[str, Any]) -> Request:
    try:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise ProviderError(f"a signature of AWS {EXTRA}") from None
    try:
        session = _session(settings)
        name = region(settings, session)
        credentials = _credentials(session, settings, name)
    except (BotoCoreError, ClientError) as error:
        raise ProviderError(str(error)) from None
    question.hidden.update(filter(None, (credentials.secret_key, credentials.token)))
    unsigned = AWSRequest(request.method, request.url, dict(request.headers), request.body)
    SigV4Auth(credentials, service, name).add_auth(unsigned)
    return replace(request, headers=dict(unsigned.headers.items()))


def _session(settings: Mapping[str, Any]) -> Any:
    from botocore.session import Session

    return Session(profile=str(settings["profile"]) if settings.get("profile") else None)


def region(settings: Mapping[str, Any], session: Any = None) -> str:
    """Return the region of the settings, or of AWS' own configuration; raise ``ProviderError`` without one."""
    found = settings.get("region") or (session or _session(settings)).get_config_variable("region")
    found = found or os.environ.get("AWS_REGION")
    if not found:
        raise ProviderError("the region of AWS is not set: set AWS_REGION")
    return str(found)


def _credentials(session: Any, settings: Mapping[str, Any], name: str) -> Any:
    from botocore.credentials import Credentials

    if not settings.get("roleArn"):
        found = session.get_credentials()
        if found is None:
            raise ProviderError("no credentials of AWS were found")
        return found.get_frozen_credentials()
    sts = session.create_client("sts", region_name=name)
    role = sts.assume_role(RoleArn=str(settings["roleArn"]), RoleSessionName="rollstep")["Credentials"]
    return Credentials(role["AccessKeyId"], role["SecretAccessKey"], role["SessionToken"]).get_frozen_credentials()
