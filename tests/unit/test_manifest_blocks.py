"""A manifest means the same whole, in blocks of any size, and gzipped; and it means what JSON's own parser reads."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz import inputs
from tests.manifests import Manifest, cut, outcome, packed

ENTRY = {"id": 1, "path": "a"}
PLAIN = json.dumps({"fileids": [ENTRY]}).encode()
LINES = b'{"root": "r"}\n{"id": 1, "path": "a"}\r\n\r\n{"id": "x", "path": "b/c", "hashtype": "md5"}'
BOM = b"\xef\xbb\xbf"
WIDE = json.dumps({"fileids": [{"id": f"é{n}", "path": f"p/🚀{n}"} for n in range(3000)]}, ensure_ascii=False).encode()
LARGE = json.dumps({"fileids": [{"id": n, "path": f"p/{n}", "note": "n" * 300_000} for n in range(4)]}).encode()
ODD = (
    b"",
    BOM,
    BOM + PLAIN,
    BOM + LINES,
    BOM * 2 + PLAIN,
    LINES,
    LINES + b"\n" + BOM + b"{}",
    WIDE,
    WIDE[:-3],
    WIDE[:70_000] + b"\xff" + WIDE[70_000:],
    LARGE,
    LARGE[:-2] + b",]}",
    PLAIN.decode().encode("utf-16"),
    PLAIN.decode().encode("utf-32"),
    PLAIN.decode().encode("utf-16-le"),
    PLAIN.decode().encode("utf-16-be"),
    '{"fileids": [{"id": 1, "path": "é"}]}'.encode("latin-1"),
    rb'{"fileids": [{"id": 1, "path": "a\ud800\u0041b"}]}',
    rb'{"\ud800": 1, "fileids": [{"id": 1, "path": "a", "\udc00": "\ud800"}]}',
    rb'{"\u0066ileids": [{"\u0069d": 1, "path": "\ud83d\ude80"}]}',
    b'{"x": 9223372036854775808, "fileids": [{"id": 18446744073709551617, "path": "a"}]}',
    b'{"x": %s, "fileids": [{"id": -%s, "path": "a"}]}' % (b"9" * 9000, b"8" * 9000),
    b'{"x": 1e400, "y": -1E-999, "fileids": [{"id": 1, "path": "a", "z": 1e400}]}',
    b'{"x": NaN, "fileids": [{"id": 1, "path": "a"}]}',
    b'{"fileids": [{"id": 1, "path": "a", "x": -Infinity}]}',
    b'{"id": 1, "path": "a", "x": NaN}\n{"id": 2, "path": "b"}',
    b'{"x": 12345678901, "y": [1.5e3], "fileids": [{"id": 123456, "path": "a"}]}',
    b'{"x": ' + b"[" * 33 + b"]" * 33 + b', "fileids": [{"id": 1, "path": "a"}]}',
    b'{"x": ' + b"[" * 995 + b', "fileids": [{"id": 1, "path": "a"}]}',
    b'{"fileids": [' + b'{"a":' * 200_000,
    b'{"fileids": [{"id": 1, "path": "a"}], "fileids": []}',
    b'{"fileids": [{"id": 1, "path": "a"}]}{}',
    b'{\n "id": 1,\n "path": "a"\n}',
    b'{"fileids": [{"id": 1, "path": "a"}]\x00}',
    '{"fileids":\u00a0[]}'.encode(),
)


def same_every_way(body: bytes, size: int) -> Manifest | tuple[str, ...]:
    found = outcome(body)
    assert outcome(cut(body, size)) == found
    assert outcome(packed(body)) == found
    assert outcome(cut(packed(body), size)) == found
    middle = len(body) // 2
    assert outcome(packed(body[:middle]) + packed(b"") + packed(body[middle:])) == found
    return found


@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
def test_an_odd_body_means_the_same_whichever_way_it_comes(body: bytes) -> None:
    for size in (1, 7) if len(body) < 10_000 else (1021, 65_537):
        same_every_way(body, size)


@given(st.integers(0, 1 << 32), st.integers(1, 40))
def test_any_manifest_means_the_same_whichever_way_it_comes(seed: int, size: int) -> None:
    rng = random.Random(seed)
    same_every_way(inputs.manifest_lines(rng) if rng.random() < 0.4 else inputs.manifest(rng), size)


@given(st.binary(max_size=60), st.integers(1, 9))
@example(b"\x1f\x8b\x08\x00", 1)
def test_any_bytes_mean_the_same_in_blocks(body: bytes, size: int) -> None:
    assert outcome(cut(body, size)) == outcome(body)
    assert outcome(cut(PLAIN + body, size)) == outcome(PLAIN + body)


@given(st.integers(0, 1 << 32))
def test_what_is_accepted_is_what_jsons_own_parser_reads(seed: int) -> None:
    body = inputs.manifest(random.Random(seed))
    found = outcome(body)
    if isinstance(found, Manifest):
        document = json.loads(body.decode("utf-8-sig"))
        listed = document["fileids"]
        assert [(one.archive_id, one.path) for one in found.entries] == [
            (str(raw["id"]), raw["path"].removeprefix("/")) for raw in listed
        ]
        assert found.options.root == document.get("root") or document.get("root") is None


@given(
    st.dictionaries(
        st.text(max_size=6),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=12,
        ),
        max_size=4,
    ),
    st.sampled_from([None, 1, "\t"]),
    st.booleans(),
)
def test_whatever_json_has_beside_the_known_keys_is_ignored(extra: dict[str, Any], indent: Any, ascii: bool) -> None:
    known = {"fileids", "root", "names", "sums"}
    extra = {key: value for key, value in extra.items() if key not in known}
    entry = {**extra, "id": 1, "path": "a", "hashtype": None, "hashsum": None}
    document = json.dumps({**extra, "fileids": [entry]}, indent=indent, ensure_ascii=ascii)
    found = outcome(document.encode("utf-8", "surrogatepass" if ascii else "strict"))
    assert isinstance(found, Manifest)
    assert found.digest == outcome(PLAIN).digest  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (BOM + PLAIN[:-1] + b"\xff", f"body: is not UTF-8 at byte {len(PLAIN) + 2}"),
        (PLAIN.decode().encode("utf-16"), "body: is not UTF-8 at byte 0: it begins as UTF-16 does; save it as UTF-8"),
        (PLAIN.decode().encode("utf-32"), "body: is not UTF-8 at byte 0: it begins as UTF-32 does; save it as UTF-8"),
        (
            PLAIN.decode().encode("utf-16-le"),
            "body: is not UTF-8 at byte 1: it looks like UTF-16 or UTF-32; save it as UTF-8",
        ),
        (b'{"fileids": [{"id": 1, "path": "\xe9"}]}', "body: is not UTF-8 at byte 32"),
        (b"\xed\xa0\x80", "body: is not UTF-8 at byte 0"),
        (b'{"fileids": ["\xc3', "body: is not UTF-8 at byte 14"),
        (packed(PLAIN)[:-1], "body: is truncated gzip"),
        (b"\x1f\x8b", "body: is truncated gzip"),
        (b"\x1f\x8bnonsense", "body: is not valid gzip"),
        (packed(PLAIN) + b"x", "body: has something after the end of its gzip data"),
        (packed(PLAIN) + b"\0" * 100, "body: has something after the end of its gzip data"),
        (packed(b"") * 100_001, "body: is gzip of more than 100000 pieces"),
        (packed(packed(PLAIN)), "body: is gzipped twice"),
        (b"PK\x03\x04...", "body: looks like a zip file: send the manifest plain or gzipped"),
    ],
)
def test_bytes_that_are_no_text_are_refused(body: bytes, problem: str) -> None:
    assert outcome(body) == (problem,)
