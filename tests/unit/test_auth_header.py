"""Which Authorization headers are read, and as which token."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.auth.authorization import LONGEST_TOKEN, token_in
from chalicelib.errors import LoginRequired

TOKEN = "cart_" + "a" * 43


def basic(pair: str | bytes) -> str:
    return "Basic " + base64.b64encode(pair if isinstance(pair, bytes) else pair.encode()).decode()


@pytest.mark.parametrize(
    "header",
    [
        f"Bearer {TOKEN}",
        f"bearer {TOKEN}",
        f"BEARER {TOKEN}",
        basic(f"me:{TOKEN}"),
        basic(f":{TOKEN}"),
        basic(f"ü:{TOKEN}"),
    ],
)
def test_a_token_comes_as_bearer_or_as_password(header: str) -> None:
    assert token_in(header) == TOKEN


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        "Bearer",
        "Bearer ",
        TOKEN,
        f" Bearer {TOKEN}",
        f"Bearer {TOKEN} ",
        f"Bearer  {TOKEN}",
        f"Bearer\t{TOKEN}",
        f"Bearer {TOKEN}\n",
        f"Bearer {TOKEN}, Bearer {TOKEN}",
        f"Bearer {TOKEN}, {basic(f'me:{TOKEN}')}",
        f"Bearer {TOKEN} {TOKEN}",
        f"Bearer\x00 {TOKEN}",
        f'Bearer "{TOKEN}"',
        f"Bearer {TOKEN}é",
        f"Token {TOKEN}",
        f"Digest {TOKEN}",
        "Negotiate YII=",
        "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c",
        basic("me"),
        basic("me:"),
        basic(f"{TOKEN}:"),
        basic(f"me:{TOKEN}:x"),
        basic(f"me:{TOKEN}\n"),
        basic(f"me:{TOKEN}\0"),
        basic(b"me:\xff\xfe"),
        basic("me:pass word"),
        basic(f"me:{TOKEN}")[:-1] + "!",
        "Basic ====",
        "Basic me:token",
        "Bearer " + "a" * (LONGEST_TOKEN + 1),
        basic("me:" + "a" * (LONGEST_TOKEN + 1)),
        basic("m" * 20_000 + ":" + TOKEN),
        "Bearer " + "=" * 9,
        "Bearer \ud800",
        "Bearer \uff41",
        "\u212aearer x",
    ],
    ids=lambda header: ascii(header)[:40],
)
def test_any_other_header_is_refused_without_an_echo(header: str) -> None:
    with pytest.raises(LoginRequired) as raised:
        token_in(header)
    assert TOKEN not in raised.value.message


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")) | st.binary().map(basic))
def test_any_text_is_a_token_or_refused(header: str) -> None:
    try:
        token = token_in(header)
    except LoginRequired:
        return
    assert token.isascii()
    assert token.isprintable()
    assert not set(token) & set(" ,:")
