"""Manifests: what is accepted, what is refused, and with which message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.errors import InvalidManifest, InvalidUid, TooManyEntries
from chalicelib.manifest.checks import HASH_DIGITS, check_uid
from chalicelib.manifest.gunzip import TooLarge
from chalicelib.manifest.reader import Entry, ManifestReader
from tests.manifests import Manifest, outcome, read

SHA1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709"


def entry(path: object = "a", **fields: Any) -> dict[str, Any]:
    return {"id": "x", "path": path, **fields}


def posted(*entries: object, **document: Any) -> Manifest:
    return read(json.dumps({"fileids": entries, **document}).encode())


def problems(*entries: object, **document: Any) -> tuple[str, ...]:
    with pytest.raises(InvalidManifest) as caught:
        posted(*entries, **document)
    return caught.value.problems


def test_entries_with_an_empty_hashsum_are_accepted_as_unverified() -> None:
    body = b"""{
      "fileids": [
        {"id":"foo.txt", "path":"1/2/3/foo.txt", "hashtype":"md5", "hashsum":""},
        {"id":"bar.csv", "path":"1/2/3/bar.csv", "hashtype":"md5", "hashsum":""},
        {"id":"baz.ini", "path":"2/3/4/baz.ini", "hashtype":"md5", "hashsum":""}
      ]
    }"""
    manifest = read(body, "some-uid")
    assert manifest.options.root == "some-uid"
    assert manifest.entries == [
        Entry("foo.txt", "1/2/3/foo.txt", "", "", 4),
        Entry("bar.csv", "1/2/3/bar.csv", "", "", 0),
        Entry("baz.ini", "2/3/4/baz.ini", "", "", 3),
    ]


def test_an_existing_client_may_send_a_leading_slash_and_false_or_null_for_no_hash() -> None:
    manifest = posted(entry("/name", hashtype=False, hashsum=False), entry("/b", hashtype=None, hashsum=None))
    assert [(one.path, one.hash_name, one.hash_hex) for one in manifest.entries] == [("name", "", ""), ("b", "", "")]


def test_new_directories_are_counted_once_and_from_the_innermost() -> None:
    paths = ["a", "b/c/d", "b/c/e", "b/f", "b/c/g/h", "x/y", "b/c/i", "x/z/w"]
    assert [one.new_dirs for one in posted(*map(entry, paths)).entries] == [1, 2, 0, 0, 1, 1, 0, 1]


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
        "fileids[0].path",
        "fileids[1].id",
        "fileids[1].path",
        "fileids[2]",
        "fileids[3].id",
        "fileids[3].hashtype",
        "root",
    ]


def test_reading_stops_after_a_hundred_problems() -> None:
    refused = problems(*[{"id": "x"}] * 150)
    assert len(refused) == 101
    assert refused[99:] == ("fileids[99].path: is missing", "and more: reading stopped after 100 problems")
    assert len(problems(*[{"id": "x"}] * 100)) == 100


def test_after_the_first_problem_no_entry_is_yielded() -> None:
    body = json.dumps({"fileids": [entry("a"), entry(".."), entry("b")]}).encode()
    entries = ManifestReader("uid", 10).entries([body], 1000)
    assert next(entries).path == "a"
    with pytest.raises(InvalidManifest):
        next(entries)


def test_an_entry_with_a_key_twice_is_refused_only_if_the_values_differ() -> None:
    body = b'{"fileids": [{"id": 1, "path": "a", "id": 1, "x": 1, "x": 2}, {"id": 1, "path": "b", "path": "c"}]}'
    assert outcome(body) == ("fileids[1].path: is there twice, with different values",)


@pytest.mark.parametrize("other", ["1.0", "true", '"1"'])
def test_values_of_different_types_differ(other: str) -> None:
    for first, last in (("1", other), (other, "1")):
        body = b'{"fileids": [{"id": %s, "path": "a", "id": %s}]}' % (first.encode(), last.encode())
        assert "fileids[0].id: is there twice, with different values" in outcome(body)


@pytest.mark.parametrize("count", [3, 4])
def test_more_files_than_the_limit_are_too_many(count: int) -> None:
    body = json.dumps({"fileids": [entry(str(number)) for number in range(count)]}).encode()
    if count == 3:
        assert len(read(body, max_entries=3).entries) == 3
        return
    with pytest.raises(TooManyEntries, match="more than MAX_ENTRIES, 3 files"):
        read(body, max_entries=3)


def test_more_directories_than_the_limit_are_too_many() -> None:
    with pytest.raises(TooManyEntries, match="more than MAX_ENTRIES, 4 directories"):
        read(json.dumps({"fileids": [entry("a/b/c/f"), entry("d/f")]}).encode(), max_entries=4)


def test_a_body_over_the_limit_is_too_large_whichever_way_it_comes() -> None:
    body = json.dumps({"fileids": [entry()]}).encode()
    with pytest.raises(TooLarge):
        list(ManifestReader("uid", 10).entries([body], len(body) - 1))
    assert list(ManifestReader("uid", 10).entries([body], len(body)))


def test_thousands_of_paths_are_distinguished() -> None:
    paths = [f"{number % 500}/{number}" for number in range(20_000)]
    assert len(posted(*map(entry, paths)).entries) == 20_000
    refused = problems(*map(entry, [*paths, *paths[::1000]]))
    assert refused[1] == "fileids[20001].path: is the same as fileids[1000].path"
    assert len(refused) == 20


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join), max_size=12))
def test_new_directories_and_conflicts_agree_with_a_plain_set_of_paths(paths: list[str]) -> None:
    files: set[str] = set()
    folders: set[str] = set()
    accepted: list[str] = []
    for path in paths:
        parents = {"", *(path[:at] for at, character in enumerate(path) if character == "/")}
        found = outcome(json.dumps({"fileids": [entry(one) for one in [*accepted, path]]}).encode())
        if path in files | folders or parents & files:
            assert not isinstance(found, Manifest)
            continue
        assert isinstance(found, Manifest)
        assert found.entries[-1].new_dirs == len(parents - folders)
        accepted.append(path)
        files.add(path)
        folders |= parents


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


@given(st.fixed_dictionaries({"fileids": st.lists(nearly_entries | json_values, max_size=5)}) | json_values)
def test_whatever_is_posted_is_either_safe_or_refused_by_place(document: object) -> None:
    found = outcome(json.dumps(document).encode())
    if not isinstance(found, Manifest):
        assert found
        assert all(": " in problem and problem.isprintable() and len(problem) < 300 for problem in found)
        return
    assert found.entries
    for one in found.entries:
        assert ".." not in one.path.split("/")
        assert not one.path.startswith("/")
        assert "\0" not in one.path + one.archive_id
        assert one.path.encode()
        assert len(one.hash_hex) == HASH_DIGITS.get(one.hash_name, 0)


@given(st.binary())
@example(b"\x00{")
@example(b"\x1f\x8b")
@example(b"\x1f")
def test_any_bytes_are_a_manifest_or_refused(body: bytes) -> None:
    assert outcome(body)


@pytest.mark.parametrize("uid", ["a", "A-z_0.9", "x" * 255, "...", ".a", "8d6d6a2e-2a9b-4d35-8b6a-0e0f6d9b1f1a"])
def test_a_good_uid_is_returned(uid: str) -> None:
    assert check_uid(uid) == uid


@pytest.mark.parametrize("uid", ["", ".", "..", "a/b", "a b", "a%20b", "a\n", "é", "٣", "x" * 256, "a\0", "\ud800"])
def test_a_bad_uid_is_refused(uid: str) -> None:
    with pytest.raises(InvalidUid):
        check_uid(uid)
