"""Manifests: what is accepted, what is refused, and with which message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.errors import InvalidManifest, InvalidUid
from chalicelib.manifest.checks import HASH_DIGITS, check_uid
from chalicelib.manifest.reader import Entry, Manifest, ManifestReader, parse

SHA1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709"


def entry(path: object = "a", **fields: Any) -> dict[str, Any]:
    return {"id": "x", "path": path, **fields}


def posted(*entries: object, **document: Any) -> Manifest:
    return parse(json.dumps({"fileids": entries, **document}).encode(), "uid")


def problems(*entries: object, **document: Any) -> tuple[str, ...]:
    with pytest.raises(InvalidManifest) as caught:
        posted(*entries, **document)
    return caught.value.problems


def problems_of_body(body: bytes) -> tuple[str, ...]:
    with pytest.raises(InvalidManifest) as caught:
        parse(body, "uid")
    return caught.value.problems


def test_entries_with_an_empty_hashsum_are_accepted_as_unverified() -> None:
    body = b"""{
      "fileids": [
        {"id":"foo.txt", "path":"1/2/3/foo.txt", "hashtype":"md5", "hashsum":""},
        {"id":"bar.csv", "path":"1/2/3/bar.csv", "hashtype":"md5", "hashsum":""},
        {"id":"baz.ini", "path":"2/3/4/baz.ini", "hashtype":"md5", "hashsum":""}
      ]
    }"""
    manifest = parse(body, "some-uid")
    assert manifest.root == "some-uid"
    assert manifest.entries == [
        Entry("foo.txt", "1/2/3/foo.txt", "", "", 4),
        Entry("bar.csv", "1/2/3/bar.csv", "", "", 0),
        Entry("baz.ini", "2/3/4/baz.ini", "", "", 3),
    ]


def test_an_existing_client_may_send_a_leading_slash_and_false_or_null_for_no_hash() -> None:
    manifest = posted(entry("/name", hashtype=False, hashsum=False), entry("/b", hashtype=None, hashsum=None))
    assert [(one.path, one.hash_name, one.hash_hex) for one in manifest.entries] == [("name", "", ""), ("b", "", "")]


def test_a_byte_order_mark_is_not_part_of_the_json() -> None:
    assert parse(b"\xef\xbb\xbf" + json.dumps({"fileids": [entry()]}).encode(), "u").entries


def test_new_directories_are_counted_once_and_from_the_innermost() -> None:
    paths = ["a", "b/c/d", "b/c/e", "b/f", "b/c/g/h", "x/y", "b/c/i", "x/z/w"]
    assert [one.new_dirs for one in posted(*map(entry, paths)).entries] == [1, 2, 0, 0, 1, 1, 0, 1]


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join), max_size=12))
def test_new_directories_and_conflicts_agree_with_a_plain_set_of_paths(paths: list[str]) -> None:
    reader = ManifestReader("root")
    files: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        parents = {"", *(path[:at] for at, character in enumerate(path) if character == "/")}
        added = reader.add(entry(path))
        if path in files | folders or parents & files:
            assert added is None
            continue
        assert added
        assert added.new_dirs == len(parents - folders)
        files.add(path)
        folders |= parents


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "body: is empty"),
        (b" \n", "body: is empty"),
        (b"{", "body: is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"foo=bar", "body: is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b'{"fileids": "\xff"}', "body: is not UTF-8 at byte 13"),
        ('{"fileids": []}'.encode("utf-16"), "body: is not UTF-8 at byte 0"),
        (b"[]", "body: must be an object, not a list"),
        (b"null", "body: must be an object, not null"),
        (b'"x"', "body: must be an object, not a string"),
        (b"[" * 100_000, "body: is not a manifest: it is nested too deeply"),
        (b'{"a":' * 100_000, "body: is not a manifest: it is nested too deeply"),
        (b'{"fileids": NaN}', "body: has a number that is infinite, NaN or thousands of digits long"),
        (b'{"a": -Infinity}', "body: has a number that is infinite, NaN or thousands of digits long"),
        (b"9" * 10_000, "body: has a number that is infinite, NaN or thousands of digits long"),
        (b"{}", "fileids: is missing"),
        (b'{"fileids": null}', "fileids: must be a list, not null"),
        (b'{"fileids": {"0": {}}}', "fileids: must be a list, not an object"),
        (b'{"fileids": []}', "fileids: is empty"),
    ],
)
def test_a_body_that_is_no_manifest_is_refused(body: bytes, problem: str) -> None:
    assert problems_of_body(body) == (problem,)


def test_two_entries_with_one_path_are_refused_naming_both_places() -> None:
    assert problems(entry("a/b"), entry("c"), entry("/a/b")) == ("fileids[2].path: is the same as fileids[0].path",)


def test_a_path_that_is_both_file_and_directory_is_refused_in_either_order() -> None:
    assert problems(entry("a"), entry("a/b/c")) == ("fileids[1].path: lies inside fileids[0].path, which is a file",)
    assert problems(entry("a/b/c"), entry("a")) == ("fileids[1].path: is a directory in fileids[0].path",)
    assert problems(entry("a/b/c"), entry("a/b")) == ("fileids[1].path: is a directory in fileids[0].path",)


def test_names_with_a_common_prefix_do_not_conflict() -> None:
    assert len(posted(entry("a"), entry("ab/c"), entry("a.b/c"), entry("A"), entry("abc")).entries) == 5


def test_every_problem_is_reported_at_once_with_its_place() -> None:
    refused = problems(
        {"id": "x"}, {"path": "../y"}, "not an object", entry(id="a/b", hashtype="what"), entry("fine"), root="a/b"
    )
    assert [line.split(": ")[0] for line in refused] == [
        "root",
        "fileids[0].path",
        "fileids[1].id",
        "fileids[1].path",
        "fileids[2]",
        "fileids[3].id",
        "fileids[3].hashtype",
    ]


def test_after_a_hundred_problems_the_rest_is_only_counted() -> None:
    refused = problems(*[{"id": "x"}] * 150)
    assert len(refused) == 101
    assert refused[99:] == ("fileids[99].path: is missing", "and 50 more")


def test_the_manifest_can_name_its_root() -> None:
    assert posted(entry(), root="my data").root == "my data"


@pytest.mark.parametrize("root", ["", ".", "..", "a/b", "/a", "a\\b", "a\0", "\ud800", "x" * 256, None, 5, []])
def test_a_root_that_is_no_single_segment_is_refused(root: object) -> None:
    (problem,) = problems(entry(), root=root)
    assert problem.startswith("root: ")


def test_the_same_manifest_has_the_same_digest_however_it_is_formatted() -> None:
    one = posted(entry("/a", id=5, hashtype="SHA1", hashsum=SHA1.upper()), entry("b"))
    other = posted(entry("a", id="5", hashtype="sha1", hashsum=SHA1), entry("b", hashsum=None, hashtype="md5"), x=1)
    assert one.digest == other.digest
    assert one.digest == posted(entry("a", id=5, hashtype="sha1", hashsum=SHA1), entry("b"), root="uid").digest
    assert len(one.digest) == 64


def test_any_difference_gives_another_digest() -> None:
    manifests = [
        posted(entry("a")),
        posted(entry("b")),
        posted(entry("a", id="y")),
        posted(entry("a"), root="other"),
        posted(entry("a", hashtype="sha1", hashsum=SHA1)),
        posted(entry("a"), entry("b")),
        posted(entry("b"), entry("a")),
    ]
    assert len({manifest.digest for manifest in manifests}) == len(manifests)


def test_a_reader_and_the_parser_give_the_same_result() -> None:
    raws = [entry("a/b"), entry("a/b"), entry("a/c", hashtype="md5")]
    reader = ManifestReader("uid")
    assert [bool(reader.add(raw)) for raw in raws] == [True, False, True]
    assert reader.count == 3
    assert reader.problems == ["fileids[1].path: is the same as fileids[0].path"]
    whole = ManifestReader("uid")
    assert [whole.add(raws[0]), whole.add(raws[2])] == posted(raws[0], raws[2]).entries
    assert whole.digest() == posted(raws[0], raws[2]).digest


def test_thousands_of_paths_are_distinguished() -> None:
    reader = ManifestReader("root")
    assert all(reader.add(entry(f"{number % 500}/{number}")) for number in range(20_000))
    assert [reader.add(entry(f"{number % 500}/{number}")) for number in range(0, 20_000, 1_000)] == [None] * 20
    assert reader.problems[1] == "fileids[20001].path: is the same as fileids[1000].path"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
nearly_paths = st.lists(st.sampled_from(["a", "b", ".", "..", "", "\\", "\0", "é", "\ud800", "x" * 250]), max_size=5)
nearly_entries = st.fixed_dictionaries(
    {},
    optional={
        "id": st.integers() | st.text(max_size=4) | json_values,
        "path": nearly_paths.map("/".join) | json_values,
        "hashtype": st.sampled_from(["md5", "MD5", "", None, False, "nope"]) | json_values,
        "hashsum": st.sampled_from(["0" * 32, "", None, False, "xyz"]) | json_values,
    },
)


def parsed_or_refused(body: bytes) -> tuple[list[Entry], tuple[str, ...]]:
    try:
        return parse(body, "uid").entries, ()
    except InvalidManifest as error:
        return [], error.problems


@given(st.fixed_dictionaries({"fileids": st.lists(nearly_entries | json_values, max_size=5)}) | json_values)
def test_whatever_is_posted_is_either_safe_or_refused_by_place(document: object) -> None:
    entries, refused = parsed_or_refused(json.dumps(document).encode())
    assert bool(entries) != bool(refused)
    assert all(": " in problem and problem.isprintable() and len(problem) < 300 for problem in refused)
    for one in entries:
        assert ".." not in one.path.split("/")
        assert not one.path.startswith("/")
        assert "\0" not in one.path + one.archive_id
        assert one.path.encode()
        assert len(one.hash_hex) == HASH_DIGITS.get(one.hash_name, 0)


@given(st.binary())
@example(b"\x00{")
def test_any_bytes_are_a_manifest_or_refused(body: bytes) -> None:
    entries, refused = parsed_or_refused(body)
    assert bool(entries) != bool(refused)


@pytest.mark.parametrize("uid", ["a", "A-z_0.9", "x" * 255, "...", ".a", "8d6d6a2e-2a9b-4d35-8b6a-0e0f6d9b1f1a"])
def test_a_good_uid_is_returned(uid: str) -> None:
    assert check_uid(uid) == uid


@pytest.mark.parametrize("uid", ["", ".", "..", "a/b", "a b", "a%20b", "a\n", "é", "٣", "x" * 256, "a\0", "\ud800"])
def test_a_bad_uid_is_refused(uid: str) -> None:
    with pytest.raises(InvalidUid):
        check_uid(uid)
