"""One entry of a manifest: which ids, paths and hashes are accepted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.errors import InvalidManifest
from chalicelib.manifest.checks import HASH_DIGITS
from chalicelib.manifest.reader import Entry
from tests.manifests import read

SHA1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709"


def entry(path: object = "a", **fields: Any) -> dict[str, Any]:
    return {"id": "x", "path": path, **fields}


def accepted(raw: object) -> Entry:
    (one,) = read(json.dumps({"fileids": [raw]}).encode()).entries
    return one


def problems(raw: object) -> tuple[str, ...]:
    with pytest.raises(InvalidManifest) as caught:
        accepted(raw)
    return caught.value.problems


def test_hashes_are_kept_in_lower_case() -> None:
    assert accepted(entry(hashtype="SHA1", hashsum=SHA1.upper()))[2:4] == ("sha1", SHA1)


@pytest.mark.parametrize("name", HASH_DIGITS)
def test_every_hash_of_fixed_length_is_accepted_at_its_length_only(name: str) -> None:
    digits = HASH_DIGITS[name]
    assert accepted(entry(hashtype=name, hashsum="0" * digits)).hash_hex == "0" * digits
    assert problems(entry(hashtype=name, hashsum="0" * (digits - 1))) == (
        f"fileids[0].hashsum: has {digits - 1} digits where {name} has {digits}",
    )


def test_ids_may_be_integers_and_unknown_keys_are_ignored() -> None:
    assert accepted(entry(id=5, colour="red")).archive_id == "5"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "is empty"),
        ("/", "is empty"),
        (7, "must be a string, not a number"),
        (None, "must be a string, not null"),
        (["a"], "must be a string, not a list"),
        ("//etc/cron.d/x", "must be relative and have no empty segment"),
        ("a//b", "must be relative and have no empty segment"),
        ("a/", "must be relative and have no empty segment"),
        (".", "must not have the segment '.'"),
        ("a/./b", "must not have the segment '.'"),
        ("../../8/x", "must not have the segment '..'"),
        ("/..", "must not have the segment '..'"),
        ("a/..", "must not have the segment '..'"),
        ("a\\b", r"must not contain a backslash: 'a\\b'; write 'a/b'"),
        (r"C:\x y\b.txt", r"must not contain a backslash: 'C:\\x y\\b.txt'; write 'x y/b.txt'"),
        (r"\\server\share\b", r"must not contain a backslash: '\\\\server\\share\\b'; write 'server/share/b'"),
        (r"..\b", r"must not contain a backslash: '..\\b'"),
        ("\\", r"must not contain a backslash: '\\'"),
        ("a\0b", r"must not contain control characters: 'a\x00b'"),
        ("a\nb", r"must not contain control characters: 'a\nb'"),
        ("a\x7f", r"must not contain control characters: 'a\x7f'"),
        ("a\x85", r"must not contain control characters: 'a\x85'"),
        ("a\u2028", r"must not contain control characters: 'a\u2028'"),
        ("a/\ud800", "must not contain a lone surrogate"),
        ("x" * 256, f"has a segment longer than 255 bytes: '{'x' * 60}'..."),
        ("é" * 128, f"has a segment longer than 255 bytes: '{'é' * 60}'..."),
        ("abcdefg/" * 512 + "h", "is longer than 4096 bytes"),
        ("a/" * 64 + "b", "has more than 64 segments"),
        ("a\ud800\u0041b", "must not contain a lone surrogate"),
    ],
)
def test_an_unsafe_path_is_refused(raw: object, reason: str) -> None:
    assert problems(entry(raw)) == (f"fileids[0].path: {reason}",)


@pytest.mark.parametrize(
    "path",
    [
        "...",
        ".hidden",
        "a b",
        "..a/b..",
        "é/漢字/🚀",
        "x" * 255,
        "é" * 127,
        "/".join(["abcdefg"] * 64),
        "C:/x",
        "%2e%2e/x",
    ],
)
def test_an_unusual_but_safe_path_is_unchanged(path: str) -> None:
    assert accepted(entry(path)).path == path
    assert accepted(entry("/" + path)).path == path


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "is empty"),
        (".", "must not be '.'"),
        ("..", "must not be '..'"),
        ("a/b", "must not contain '/': 'a/b'"),
        ("a?b", "must not contain '?': 'a?b'"),
        ("a#b", "must not contain '#': 'a#b'"),
        ("a\\b", r"must not contain a backslash: 'a\\b'"),
        ("a\r\nb", r"must not contain control characters: 'a\r\nb'"),
        ("\ud800", "must not contain a lone surrogate"),
        ("x" * 256, f"is longer than 255 bytes: '{'x' * 60}'..."),
        (10**1000, "is longer than 255 bytes"),
        (int("9" * 256), "is longer than 255 bytes"),
        (True, "must be an integer or a string, not true or false"),
        (1.5, "must be an integer or a string, not a decimal number"),
        (None, "must be an integer or a string, not null"),
        ({}, "must be an integer or a string, not an object"),
    ],
)
def test_an_id_that_could_leave_the_archives_url_is_refused(raw: object, reason: str) -> None:
    assert problems(entry(id=raw)) == (f"fileids[0].id: {reason}",)


@pytest.mark.parametrize("raw", [0, -1, "a b", "%2F", "a..b.bin", "..a", "a..", "...", ".a", "x" * 255, int("9" * 255)])
def test_an_unusual_but_safe_id_is_unchanged(raw: object) -> None:
    assert accepted(entry(id=raw)).archive_id == str(raw)


@pytest.mark.parametrize("digits", ["9" * 256, "-" + "9" * 300, "9" * 5000, "9" * 100_000])
def test_an_id_of_any_number_of_digits_is_refused_by_its_place(digits: str) -> None:
    with pytest.raises(InvalidManifest, match=r"^fileids\[0\].id: is longer than 255 bytes$"):
        read(b'{"fileids": [{"id": %s, "path": "a"}]}' % digits.encode())


GOOD_NAMES = "blake2b, blake2s, md5, sha1, sha224, sha256, sha384, sha3_224, sha3_256, sha3_384, sha3_512, sha512"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"hashtype": "crc32", "hashsum": ""}, f"hashtype: 'crc32' is not one of {GOOD_NAMES}"),
        ({"hashtype": "shake_128", "hashsum": "00"}, f"hashtype: 'shake_128' is not one of {GOOD_NAMES}"),
        ({"hashtype": "\ud800"}, f"hashtype: '\\ud800' is not one of {GOOD_NAMES}"),
        ({"hashtype": 0}, "hashtype: must be a string, not a number"),
        ({"hashtype": True}, "hashtype: must be a string, not true or false"),
        ({"hashsum": SHA1}, "hashtype: is missing, but there is a hashsum"),
        ({"hashtype": "", "hashsum": SHA1}, "hashtype: is missing, but there is a hashsum"),
        ({"hashtype": "sha1", "hashsum": 0}, "hashsum: must be a string, not a number"),
        ({"hashtype": "sha1", "hashsum": "g" * 40}, f"hashsum: is not hexadecimal: '{'g' * 40}'"),
        ({"hashtype": "sha1", "hashsum": SHA1 + "\n"}, f"hashsum: is not hexadecimal: '{SHA1}\\n'"),
        ({"hashtype": "sha1", "hashsum": "٣" * 40}, f"hashsum: is not hexadecimal: '{'٣' * 40}'"),
        ({"hashtype": "sha1", "hashsum": "0x" + SHA1[2:]}, f"hashsum: is not hexadecimal: '0x{SHA1[2:]}'"),
        ({"hashtype": "sha256", "hashsum": SHA1}, "hashsum: has 40 digits where sha256 has 64"),
    ],
)
def test_a_hash_that_cannot_be_checked_is_refused(fields: dict[str, Any], problem: str) -> None:
    assert problems(entry(**fields)) == (f"fileids[0].{problem}",)
