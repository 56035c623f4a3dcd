"""The body of POST /{uid}/shares: with whom, until when, and what is wrong with it, by place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.share_body import LARGEST, share_request
from chalicelib.errors import BadRequest, BodyTooLarge
from chalicelib.sharing import USUAL_LIFE, ShareRequest
from chalicelib.stores.cart_shares import WITH_LINK


def parsed(**fields: Any) -> ShareRequest:
    return share_request(json.dumps(fields).encode())


def test_a_share_is_with_an_owner_or_by_link() -> None:
    assert parsed(**{"with": "https://login.example.org|ana"}) == ShareRequest("https://login.example.org|ana")
    assert parsed(**{"with": "link"}) == ShareRequest(WITH_LINK, USUAL_LIFE)
    assert parsed(**{"with": "Link"}).recipient == "Link", "only that word means a link"


@pytest.mark.parametrize(
    ("expires", "expected"),
    [
        (None, ShareRequest("ben", USUAL_LIFE)),
        (60, ShareRequest("ben", 60.0)),
        (1.5, ShareRequest("ben", 1.5)),
        ("1970-01-02T00:00:00Z", ShareRequest("ben", until=86400.0)),
        ("1970-01-02T00:00:00", ShareRequest("ben", until=86400.0)),
        ("1970-01-02", ShareRequest("ben", until=86400.0)),
        ("1970-01-02T02:00:00+02:00", ShareRequest("ben", until=86400.0)),
    ],
)
def test_it_ends_at_a_time_or_after_seconds(expires: Any, expected: ShareRequest) -> None:
    assert parsed(**{"with": "ben", "expires": expires}) == expected


def test_a_byte_order_mark_other_keys_and_equal_repetitions_do_no_harm() -> None:
    body = b'\xef\xbb\xbf {"with": "ben", "note": {"with": [1]}, "with": "ben"} \r\n'
    assert share_request(body).recipient == "ben"


BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "body:"),
    "no JSON": (b"with=ben", "body:"),
    "cut off": (b'{"with": "ben"', "body:"),
    "a list": (b'["ben"]', "body:"),
    "text": (b'"link"', "body:"),
    "null": (b"null", "body:"),
    "not UTF-8": (b'{"with": "\xff"}', "body:"),
    "UTF-16": ('{"with": "ben"}'.encode("utf-16"), "body:"),
    "gzip": (b"\x1f\x8b\x08", "body:"),
    "deep": (b'{"with": ' + b"[" * 8000, "body:"),
    "NaN": (b'{"with": "ben", "expires": NaN}', "body:"),
    "a huge number": (b'{"with": "ben", "expires": ' + b"9" * 5000 + b"}", "body:"),
    "no with": (b"{}", "with:"),
    "with null": (b'{"with": null}', "with:"),
    "with a number": (b'{"with": 7}', "with:"),
    "with nobody": (b'{"with": ""}', "with:"),
    "with two": (b'{"with": "ben", "with": "link"}', "with:"),
    "blanks at the end": (b'{"with": "ben "}', "with:"),
    "blanks at the beginning": (b'{"with": "\\u00a0ben"}', "with:"),
    "a control character": (b'{"with": "be\\u0000n"}', "with:"),
    "a line end": (b'{"with": "be\\nn"}', "with:"),
    "a mark that reverses text": (b'{"with": "be\\u202en"}', "with:"),
    "half a character": (b'{"with": "\\ud800"}', "with:"),
    "too long a name": (b'{"with": "' + b"b" * 256 + b'"}', "with:"),
    "expires a list": (b'{"with": "ben", "expires": [1]}', "expires:"),
    "expires true": (b'{"with": "ben", "expires": true}', "expires:"),
    "expires no time": (b'{"with": "ben", "expires": "tomorrow"}', "expires:"),
    "expires seconds as text": (b'{"with": "ben", "expires": "60"}', "expires:"),
    "expires a time that is none": (b'{"with": "ben", "expires": "2030-02-30"}', "expires:"),
    "expires beyond all numbers": (b'{"with": "ben", "expires": ' + b"9" * 400 + b"}", "expires:"),
    "expires twice": (b'{"with": "ben", "expires": 60, "expires": 61}', "expires:"),
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_bad_body_is_refused_by_its_place(kind: str) -> None:
    body, place = BODIES[kind]
    with pytest.raises(BadRequest) as refused:
        share_request(body)
    assert refused.value.message.startswith(place)


def test_a_large_body_is_not_parsed() -> None:
    with pytest.raises(BodyTooLarge):
        share_request(b'{"with": "ben"}' + b" " * LARGEST)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=4))
def test_whatever_is_given_is_taken_or_refused_by_place(value: Any) -> None:
    for key in ("with", "expires"):
        message = refusal(json.dumps({"with": "ben"} | {key: value}).encode())
        assert message == "" or message.startswith((f"{key}:", "body:"))


@given(st.binary(max_size=200))
def test_any_bytes_are_taken_or_refused(body: bytes) -> None:
    refusal(body)


def refusal(body: bytes) -> str:
    """What is wrong with the body; empty if nothing."""
    try:
        share_request(body)
    except BadRequest as refused:
        return refused.message
    return ""
