"""The options of a manifest: where they may stand, what they may be, and what they do to its digest."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from chalicelib.errors import InvalidManifest
from chalicelib.manifest.checksum_file import CHECKSUM_FILES, sums_path
from chalicelib.manifest.options import Options
from chalicelib.manifest.upload_notice import UploadNotice, upload_notice
from tests.manifests import Manifest, first_problem, outcome, packed, read

ENTRY = {"id": 5, "path": "a", "hashtype": "sha1", "hashsum": "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709"}
LINE = json.dumps(ENTRY)
ALL = {"root": "my data", "names": "portable", "sums": "sha256"}


def document(*entries: Any, **options: Any) -> bytes:
    return json.dumps({"fileids": entries or [ENTRY], **options}).encode()


def lines(options: Any) -> bytes:
    return f"{json.dumps(options)}\n{LINE}\n".encode()


def test_options_stand_before_or_behind_the_entries_in_the_first_line_or_in_the_post() -> None:
    ways = [
        read(json.dumps({**ALL, "fileids": [ENTRY]}).encode()),
        read(document(**ALL)),
        read(lines(ALL)),
        read(document(), posted=Options(**ALL)),
        read(lines({"root": "my data"}), posted=Options(names="portable", sums="sha256")),
        read(document(**ALL), posted=Options(**ALL)),
        read(lines(ALL), posted=Options(root="my data")),
    ]
    assert {one.options for one in ways} == {Options(**ALL)}
    assert len({one.digest for one in ways}) == 1


def test_without_options_the_uid_is_the_root() -> None:
    for body in (document(), LINE.encode(), document(root=None, names=None, sums=None), lines({"root": None})):
        assert read(body, "some-uid").options == Options("some-uid")


@pytest.mark.parametrize(
    ("body", "posted", "problem"),
    [
        (document(root="a"), Options(root="b"), "root: is 'b' in the POST and 'a' beside 'fileids'"),
        (lines({"root": "a"}), Options(root="b"), "root: is 'b' in the POST and 'a' in the first line"),
        (b'{"root": "a", "fileids": [%s], "root": "b"}' % LINE.encode(), None,
         "root: is 'a' beside 'fileids' and 'b' beside 'fileids'"),
        (b'{"root": "a", "root": "b"}\n%s' % LINE.encode(), None,
         "root: is 'a' in the first line and 'b' in the first line"),
        (document(names="Portable"), None, "names: 'Portable' is not one of portable"),
        (document(names=True), None, "names: must be a string, not true or false"),
        (document(sums="md5"), None, "sums: 'md5' is not one of sha256"),
        (document(sums=["sha256"]), None, "sums: must be a string, not a list"),
        (document(sums=""), None, "sums: '' is not one of sha256"),
        (lines({"sums": "md5"}), None, "sums: 'md5' is not one of sha256"),
    ],
)  # fmt: skip
def test_an_option_said_twice_and_differently_or_unknown_is_refused(
    body: bytes, posted: Options | None, problem: str
) -> None:
    assert outcome(body, posted) == (problem,)


def test_an_option_said_twice_and_the_same_is_fine() -> None:
    body = b'{"root": "a", "root": "a", "names": null, "fileids": [%s], "root": null, "root": "a"}' % LINE.encode()
    assert read(body).options == Options("a")


@pytest.mark.parametrize("root", ["", ".", "..", "a/b", "/a", "a\\b", "a\0", "\ud800", "x" * 256, 5, []])
def test_a_root_that_is_no_single_segment_is_refused(root: object) -> None:
    for body in (document(root=root), lines({"root": root})):
        assert first_problem(body).startswith("root: ")


def test_formatting_order_of_keys_and_of_options_do_not_change_the_digest() -> None:
    turned = dict(reversed(ENTRY.items()))
    one = read(document(**ALL)).digest
    assert len(one) == 64
    assert one == read(json.dumps({"sums": "sha256", "fileids": [turned], **ALL}, indent=3).encode()).digest
    assert one == read(packed(lines(ALL))).digest
    same = {"id": "5", "path": "/a", "hashtype": "SHA1", "hashsum": str(ENTRY["hashsum"]).lower(), "x": 1}
    assert one == read(document(same, **ALL)).digest
    assert read(document()).digest == read(document(root="uid")).digest
    none = {"id": 1, "path": "b"}
    assert read(document(none)).digest == read(document({**none, "hashtype": "md5", "hashsum": None})).digest


def test_any_difference_gives_another_digest() -> None:
    manifests = [
        document(),
        document({**ENTRY, "path": "b"}),
        document({**ENTRY, "id": 6}),
        document({"id": 5, "path": "a"}),
        document(root="other"),
        document(names="portable"),
        document(sums="sha256"),
        document(names="portable", sums="sha256"),
        document(ENTRY, {**ENTRY, "path": "b"}),
        document({**ENTRY, "path": "b"}, ENTRY),
    ]
    assert len({read(body).digest for body in manifests}) == len(manifests)


def test_the_former_digest_is_that_of_the_release_before() -> None:
    line = f"5\0a\0sha1\0{str(ENTRY['hashsum']).lower()}\n"
    expected = hashlib.sha256(f"r\n{line}".encode()).hexdigest()
    first = json.dumps({"root": "r", "fileids": [ENTRY]}).encode()
    assert read(first).former_digest == read(document(), "r").former_digest == expected
    assert read(document(names="portable"), "r").former_digest == ""
    assert read(document(sums="sha256"), "r").former_digest == ""


def test_a_root_behind_the_entries_gives_the_former_digest_when_read_again() -> None:
    found = read(document(root="r"))
    assert found.former_digest == ""
    again = read(document(root="r"), posted=found.options)
    assert (again.former_digest, again.digest) == (read(document(), "r").former_digest, found.digest)


@pytest.mark.parametrize(
    "path", ["SHA256SUMS", "sha256sums", "/Sha256Sums", "SHA256SUMS/x", "ſha256ſums/a/b", "sha256sumS"]
)
def test_the_name_of_the_checksum_file_is_reserved_if_it_is_made(path: str) -> None:
    entries = [{"id": 1, "path": "a/SHA256SUMS"}, {"id": 2, "path": path}]
    shown = path.removeprefix("/")
    problem = f"fileids[1].path: {shown!r} takes the name of SHA256SUMS, made by 'sums'"
    for body in (
        document(*entries, sums="sha256"),
        json.dumps({"sums": "sha256", "fileids": entries}).encode(),
        document(*entries),
    ):
        posted = Options(sums="sha256")
        assert outcome(body, posted) == (problem,)
    assert isinstance(outcome(document(*entries)), Manifest)
    assert sums_path("sha256") == CHECKSUM_FILES["sha256"] == "SHA256SUMS"


@pytest.mark.parametrize(
    ("body", "notice"),
    [
        (b'{"manifest": "uploaded"}', UploadNotice("", Options())),
        (b'\xef\xbb\xbf {"manifest": "uploaded", "x": 1}\n', UploadNotice("", Options())),
        (packed(b'{"manifest": "uploaded", "upload": "u1"}'), UploadNotice("u1", Options())),
        (b'{"root": "r", "upload": null, "manifest": "uploaded"}', UploadNotice("", Options("r"))),
        (json.dumps({"manifest": "uploaded", **ALL}).encode(), UploadNotice("", Options(**ALL))),
        (b'{"manifest": "uploaded", "root": "a", "root": "a"}', UploadNotice("", Options("a"))),
        (json.dumps({"manifest": "uploaded", "root": "é" * 127}).encode(), UploadNotice("", Options("é" * 127))),
        (b'{"manifest": "other"}', None),
        (b'{"manifest": "uploaded"', None),
        (b'{"manifest": "uploaded"} x', None),
        (b'["uploaded"]', None),
        (b"", None),
        (b"\x1f\x8b", None),
        (b"[" * 5000, None),
        (b'{"manifest": "uploaded", "x": NaN}', None),
        (b'{"manifest": "uploaded", "fileids": []}', None),
        (b'{"manifest": "uploaded", "id": 1, "path": "a"}', None),
        (b'{"manifest": "uploaded", "path": "a"}\n', None),
        (
            b'{"manifest": "uploaded", "manifest": "uploaded", "upload": "a", "upload": "a"}',
            UploadNotice("a", Options()),
        ),
        (b'{"upload": "a", "manifest": "uploaded", "upload": null}', UploadNotice("a", Options())),
        (packed(b'{"manifest": "uploaded"' + b" " * 10_000_000 + b"}"), None),
    ],
)
def test_the_post_that_binds_an_upload_is_recognised(body: bytes, notice: UploadNotice | None) -> None:
    assert upload_notice(body) == notice


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ('"upload": 5', "upload: must be a string, not a number"),
        ('"upload": 5, "upload": "a"', "upload: must be a string, not a number"),
        ('"upload": "a", "upload": "b"', "upload: is 'a' in the POST and 'b' in the POST"),
        ('"upload": ""', "upload: is empty"),
        (r'"upload": "\ud800"', r"upload: must not contain a lone surrogate"),
        ('"manifest": "other"', "manifest: is there twice, with different values"),
        ('"manifest": {"fileids": []}', "manifest: is there twice, with different values"),
        ('"root": "a/b"', "root: must not contain '/'"),
        ('"root": "a", "root": "b"', "root: is 'a' in the POST and 'b' in the POST"),
        ('"names": "x"', "names: 'x' is not one of portable"),
        ('"sums": 1', "sums: must be a string, not a number"),
    ],
)
def test_what_is_wrong_in_the_post_that_binds_an_upload_is_named(said: str, problem: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        upload_notice(b'{"manifest": "uploaded", %s}' % said.encode())
    assert caught.value.problems == (problem,)
