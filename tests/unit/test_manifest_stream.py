"""An uploaded manifest as a stream: its entries, and input that would take unbounded memory."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from chalicelib.errors import InvalidManifest
from chalicelib.manifest.stream import Root, stream

ENTRY = {"id": 1, "path": "a"}
MANY = 400


def document(value: object) -> list[bytes]:
    return [json.dumps(value).encode()]


def test_entries_are_in_order_wherever_the_root_is() -> None:
    assert list(stream(document({"root": "r", "fileids": [ENTRY, {"id": "x"}]}))) == [Root("r"), ENTRY, {"id": "x"}]
    assert list(stream(document({"fileids": [ENTRY], "root": "r"}))) == [ENTRY, Root("r")]


def test_other_keys_are_skipped_whatever_their_value() -> None:
    nested = {"fileids": [{"id": "not an entry"}], "root": ["not", "the", "root"]}
    assert list(stream(document({"x": nested, "y": [nested, 1], "fileids": [ENTRY]}))) == [ENTRY]


def test_an_entry_is_complete_and_a_non_object_keeps_its_place() -> None:
    deep = {"id": 1, "more": {"a": [1, {"b": None}]}}
    assert list(stream(document({"fileids": [deep, "text", [1, [2]], 3.5, None, ENTRY]}))) == [
        deep,
        "text",
        [],
        3.5,
        None,
        ENTRY,
    ]


def test_a_manifest_may_be_split_anywhere() -> None:
    whole = json.dumps({"root": "r", "fileids": [{"id": f"é{n}", "path": f"p/{n}"} for n in range(30)]}).encode()
    assert list(stream(whole[at : at + 7] for at in range(0, len(whole), 7))) == list(stream([whole]))


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([b'{"fileids":', b"[" * 100_000], "nested too deeply"),
        ([b'{"other":', b"[" * 100_000], "nested too deeply"),
        ([b'{"fileids":[{"path":"', *[b"a" * (1 << 18)] * MANY], "longer than 1048576 bytes"),
        ([b'{"a":"', *[b"a" * (1 << 18)] * MANY], "longer than 1048576 bytes"),
        ([b'{"fileids":[{"id":1},{', *(b'"k%d":1,' % n for n in range(300_000))], "fileids[1]: is longer"),
        ([b'{"fileids":[', *[b"1" * (1 << 18)] * MANY], "longer than 1048576 bytes"),
        ([b"[]"], "must be an object"),
        ([b'{"fileids":{"a":1}}'], "is not a list"),
        ([b'{"fileids":[{"id":1}'], "is not JSON"),
        ([b""], "is not JSON"),
    ],
)
def test_unbounded_or_malformed_input_is_refused(blocks: Iterable[bytes], message: str) -> None:
    with pytest.raises(InvalidManifest, match=message.replace("[", r"\[").replace("]", r"\]")):
        list(stream(blocks))
