"""The remote's URL: what of it can be a secret is shown nowhere."""

from __future__ import annotations

import pytest

from renderer.git.remote import parse_url, redacted, without_password

URLS = {
    "http://user:SECRET@127.0.0.1:1/shop/deploy.git": "http://127.0.0.1:1/shop/deploy.git",
    "https://SECRET@host/shop/deploy.git": "https://host/shop/deploy.git",
    "ssh://git:SECRET@host:1/shop.git": "ssh://host:1/shop.git",
    "http://host/x.git?private_token=SECRET": "http://host/x.git",
    "http://host/x.git#SECRET": "http://host/x.git",
    "ftp://user:SECRET@host/x": "ftp://host/x",
    "user:SECRET@host": "host",
    "ext::sh -c echo% SECRET": "ext::…",
    "http://user:SECRET%2F/SECRET@host:1/x/y": "http://host:1/x/y",
}
PLAIN = ("git@host:shop/deploy.git", "ssh://git@host/x", "/srv/a@b", "../a", "https://host/@scope/x", "ssh://[::1]/x")


@pytest.mark.parametrize("url", URLS)
def test_no_secret_of_a_url_is_shown(url: str) -> None:
    assert without_password(url) == URLS[url]
    assert "SECRET" not in repr(parse_url(url))
    for text in (f"fatal: unable to access '{url}/': no", f"remote: SECRET is no token for {url}"):
        assert "SECRET" not in redacted(text, [url])


@pytest.mark.parametrize("url", PLAIN)
def test_an_address_without_a_secret_stays(url: str) -> None:
    assert without_password(url) == url
    shown = url.replace("//git@", "//")
    assert redacted(f"fatal: {url} not found", [url]) == f"fatal: {shown} not found"
