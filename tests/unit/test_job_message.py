"""The queue message: what it contains, and how foreign and newer ones are told apart."""

from __future__ import annotations

import pytest

from chalicelib.job_message import JobMessage, NewerVersion, decode, encode, group_of


@pytest.mark.parametrize(
    "body", ["", "{", "null", "[]", "{}", '{"v": 1}', '{"v": 1, "job": "x"}', "[" * 9999, '{"v": {}}']
)
def test_a_foreign_message_is_recognised(body: str) -> None:
    assert decode(body) is None


def test_a_message_names_only_its_job_and_claim() -> None:
    assert decode(encode(JobMessage(7, 3, group_of(1)))) == (7, 3)


def test_a_message_of_a_newer_version_is_recognised() -> None:
    with pytest.raises(NewerVersion):
        decode('{"v": 2, "job": 1, "token": 0}')


def test_the_format_does_not_change() -> None:
    assert encode(JobMessage(7, 3, "cart-1")) == '{"v": 1, "job": 7, "token": 3}'
    assert group_of(1) == "cart-1"


def test_a_message_may_name_the_request_and_readers_ignore_it() -> None:
    body = encode(JobMessage(7, 3, "cart-1", "5f3c"))
    assert body == '{"v": 1, "job": 7, "token": 3, "request": "5f3c"}'
    assert decode(body) == (7, 3)
