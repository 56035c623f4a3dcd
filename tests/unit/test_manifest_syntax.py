"""What is not JSON, or not a manifest, is refused with what is wrong, where, and what to write instead."""

from __future__ import annotations

import json
import zlib

import pytest

from chalicelib.manifest.text_window import LONGEST
from tests.manifests import Manifest, first_problem, outcome

A = b'{"id": 1, "path": "a"}'
CSV = 'body: looks like CSV: a manifest is JSON, {"fileids": [{"id": ..., "path": ...}]}'
FORM = "body: looks like a form: send the manifest itself, as `curl -X POST --upload-file manifest.json` does"
HTML = "body: looks like HTML or XML: a manifest is JSON"
ZLIB = "body: looks like zlib, or deflate: send the manifest plain or gzipped"
QUOTES = "strings and keys stand in double quotes, not single ones"
BACKSLASH = r"a backslash must be written \\ in JSON; paths have / instead"
CONTROL = "a line end, tab or other control character stands inside a string"
TOO_LONG = f"is longer than {LONGEST} characters, from line 1, column"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "body: is empty"),
        (b" \r\n\t", "body: is empty"),
        (b"\xef\xbb\xbf", "body: is empty"),
        (b"null", "body: must be an object, not null"),
        (b"true", "body: must be an object, not true or false"),
        (b"5", "body: must be an object, not a number"),
        (b'"fileids"', "body: must be an object, not a string"),
        (b"[" + A + b"]", "body: must be an object, not a list"),
        (b"[" * 100_000, "body: must be an object, not a list"),
        (b"{}", "fileids: is missing"),
        (b'{"root": "x"}', "fileids: is missing"),
        (b'{"fileids": null}', "fileids: must be a list, not null"),
        (b'{"fileids": {"0": {}}}', "fileids: must be a list, not an object"),
        (b'{"fileids": "a"}', "fileids: must be a list, not a string"),
        (b'{"fileids": []}', "fileids: is empty"),
        (b'{"fileids": [' + A + b'], "fileids": [' + A + b"]}", "fileids: is there twice"),
        (b'{"fileids": null, "fileids": [' + A + b"]}", "fileids: must be a list, not null; fileids: is there twice"),
        (b'{"fileids": [' + A + b"]} x", "body: has something after its end, at line 1, column 39"),
        (b'{"fileids": [' + A + b"]}\n{}", "body: has something after its end, at line 2, column 1"),
    ],
)
def test_a_document_that_is_no_manifest_is_refused(body: bytes, problem: str) -> None:
    assert outcome(body) == tuple(problem.split("; "))


@pytest.mark.parametrize("key", ["files", "fileIds", "file_ids", "fileid", "FileIDs", "file-ids", "file"])
def test_a_key_that_is_nearly_fileids_is_named(key: str) -> None:
    problem = f"fileids: is missing: there is a key '{key}'; the list must be called 'fileids'"
    assert outcome(json.dumps({key: [{"id": 1, "path": "a"}]}).encode()) == (problem,)
    long = json.dumps({key: [{"id": 1, "path": "a" * 200}] * 10_000}).encode()
    assert first_problem(long) == problem


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"id,path\n1,a/b.txt\n", CSV),
        (b"1,a/b.txt\n2,c\n", CSV),
        (b'"id","path"\n"1","a"\n', CSV),
        (b"id;path\n1;a\n", CSV),
        (b"id\tpath\n1\ta\n", CSV),
        (b"\xef\xbb\xbfid,path\n", CSV),
        (b"fileids=1&path=a", FORM),
        (b"manifest=%7B%7D", FORM),
        (b'--x123\r\nContent-Disposition: form-data; name="file"; filename="m.json"\r\n\r\n{}\r\n--x123--', FORM),
        (zlib.compress(A * 9, 1), ZLIB),
        (zlib.compress(A, 6), ZLIB),
        (zlib.compress(A, 9), ZLIB),
        (b"a\x01b,c", "body: is not JSON at line 1, column 1: a value is missing"),
        (b"<!DOCTYPE html><html>", HTML),
        (b'\n<?xml version="1.0"?>', HTML),
    ],
)
def test_another_format_is_recognised(body: bytes, problem: str) -> None:
    assert outcome(body) == (problem,)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"{", "body: is not JSON at line 1, column 2: it ends too early"),
        (b'{"fileids"', "body: is not JSON at line 1, column 11: it ends too early"),
        (b'{"fileids":', "body: is not JSON at line 1, column 12: it ends too early"),
        (b'{"fileids": [', "fileids[0]: is not JSON at line 1, column 14: it ends too early"),
        (b'{"fileids": [' + A, "fileids[1]: is not JSON at line 1, column 36: it ends too early"),
        (b'{"fileids": [' + A + b",", "fileids[1]: is not JSON at line 1, column 37: it ends too early"),
        (b'{"fileids": [' + A + b',{"id"', "fileids[1]: is not JSON at line 1, column 42: it ends too early"),
        (
            b'{"fileids": [\n ' + A + b",\n]}",
            "fileids[1]: is not JSON at line 3, column 1: there is a comma before ']'",
        ),
        (b'{"fileids": [' + A + b"],\n  }", "body: is not JSON at line 2, column 3: there is a comma before '}'"),
        (
            b'{"fileids": [\n{"id": 1,\n "path": "a",\n}]}',
            "fileids[0]: is not JSON at line 4, column 1: there is a comma before '}'",
        ),
        (b'{"x": [1, ], "fileids": []}', "x: is not JSON at line 1, column 11: there is a comma before ']'"),
        (b'{"fileids": [' + A + A + b"]}", "fileids[1]: is not JSON at line 1, column 36: a comma is missing"),
        (b'{"fileids": [{"id": 1 "path": "a"}]}', "fileids[0]: is not JSON at line 1, column 23: a comma is missing"),
        (b'{"fileids" [', "body: is not JSON at line 1, column 12: a colon is missing"),
        (b"{fileids: []}", "body: is not JSON at line 1, column 2: a key in double quotes is missing"),
        (
            b"{'fileids': []}",
            f"body: is not JSON at line 1, column 2: {QUOTES}",
        ),
        (
            b"{\"fileids\": [{'id': 1}]}",
            f"fileids[0]: is not JSON at line 1, column 15: {QUOTES}",
        ),
        (b'{"fileids": [{"id": 01}]}', "fileids[0]: is not JSON at line 1, column 22: a comma is missing"),
        (b'{"x": tru, "fileids": []}', "x: is not JSON at line 1, column 7: a value is missing"),
        (b'{"x": 1e}', "body: is not JSON at line 1, column 8: a comma is missing"),
        (
            b'{"fileids": [{"id": 1, "path": "C:\\data\\a"}]}',
            f"fileids[0]: is not JSON at line 1, column 35: {BACKSLASH}",
        ),
        (
            b'{"fileids": [{"id": 1, "path": "a\nb"}]}',
            f"fileids[0]: is not JSON at line 1, column 34: {CONTROL}",
        ),
        (b'{"fileids": [NaN]}', "fileids[0]: is not JSON: it has NaN, a number that JSON does not have"),
        (b'{"x": -Infinity}', "x: is not JSON: it has -Infinity, a number that JSON does not have"),
        (b'{"": NaN}', "'': is not JSON: it has NaN, a number that JSON does not have"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place_and_reason(body: bytes, problem: str) -> None:
    assert outcome(body) == (problem,)


def test_the_place_of_an_error_is_right_far_into_a_large_manifest() -> None:
    entries = b",\n".join(b'{"id": %d, "path": "p/%d"}' % (number, number) for number in range(20_000))
    assert outcome(b'{"fileids": [\n' + entries + b",\n  ]}") == (
        "fileids[20000]: is not JSON at line 20002, column 3: there is a comma before ']'",
    )


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"fileids": [{"path": "' + b"a" * LONGEST + b'"}]}', f"fileids[0]: {TOO_LONG} 14 on"),
        (b'{"fileids": [{"path": "' + b"a" * (3 * LONGEST), f"fileids[0]: {TOO_LONG} 14 on"),
        (b'{"x": "' + b"\\n" * LONGEST + b'"}', f"x: {TOO_LONG} 7 on"),
        (b'{"x": ' + b"1" * (LONGEST + 1) + b"}", f"x: {TOO_LONG} 7 on"),
        (b'{"x": [' + b"1," * LONGEST + b"1]}", f"x: {TOO_LONG} 7 on"),
        (b'{"' + b"k" * LONGEST + b'": 1}', f"body: {TOO_LONG} 2 on"),
        (
            b"{" + b" " * (LONGEST + 1) + b"}",
            f"body: has a run of blanks longer than {LONGEST} characters, up to line 1,",
        ),
        (b'{"fileids": [[' + b"[" * 100_000, "fileids[0]: is nested deeper than 32 levels, from line 1, column 14 on"),
        (b'{"x": ' + b'{"a": ' * 100_000, "x: is nested deeper than 32 levels, from line 1, column 7 on"),
        (b'{"x": ' + b"[" * 33 + b"]" * 33 + b"}", "x: is nested deeper than 32 levels, from line 1, column 7 on"),
        (b"{" + b",".join(b'"%d": 0' % number for number in range(1001)) + b"}", "body: has more than 1000 keys"),
    ],
)
def test_what_would_cost_memory_is_refused_by_its_place(body: bytes, problem: str) -> None:
    assert first_problem(body).startswith(problem)


def test_what_is_within_the_limits_is_accepted() -> None:
    note = b'"note": "' + b"[" * (LONGEST - 300) + b'"'
    nested = b"[" * 32 + b"]" * 32
    keys = b",".join(b'"%d": 0' % number for number in range(900))
    blanks = b" " * (LONGEST - 1)
    body = b'{"x": %s, %s, "fileids":%s[{"id": 1, "path": "a", %s, "y": [%s]}]}' % (
        nested, keys, blanks, note, nested[2:-2],
    )  # fmt: skip
    assert isinstance(outcome(body), Manifest)


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        (A + b"\n{broken", ["fileids[1] (line 2): is not JSON at column 2: a key in double quotes is missing"]),
        (A + b'\n\n{"id": 2,}', ["fileids[1] (line 3): is not JSON at column 10: there is a comma before '}'"]),
        (A + b'\n{"id": 2,\n"path": "b"}', [
            "fileids[1] (line 2): ends within a value: a line of JSON lines is a whole one",
            "fileids[2] (line 3): has something after its value: ': \"b\"}'",
        ]),
        (A + b" x\n", ["fileids[0] (line 1): has something after its value: 'x'"]),
        (A + b"\r" + A, ["fileids[0] (line 1): has something after its value: '{\"id\": 1, \"path\": \"a\"}'"]),
        (A + b"\n" + A[:-5], ["fileids[1] (line 2): ends within a value: a line of JSON lines is a whole one"]),
        (A + b'\n{"id": NaN}', ["fileids[1] (line 2): is not JSON: it has NaN, a number that JSON does not have"]),
        (A + b"\n" + b"[" * 50, ["fileids[1] (line 2): is nested deeper than 32 levels"]),
        (A + b"\n" + b"[" * 5000, ["fileids[1] (line 2): is nested deeper than 32 levels"]),
        (A + b"\n[]\nnull\n7", [
            "fileids[1] (line 2): must be an object, not a list",
            "fileids[2] (line 3): must be an object, not null",
            "fileids[3] (line 4): must be an object, not a number",
        ]),
        (b'{"root": "r"}\n{"id": 1}\n' + A + b"\n" + A, [
            "fileids[0].path (line 2): is missing",
            "fileids[2].path (line 4): is the same as fileids[1].path",
        ]),
        (A + b'\n{"root": "r"}', ["fileids[1].id (line 2): is missing", "fileids[1].path (line 2): is missing"]),
        (A + b'\n{"id": 2, "path": "' + b"b" * LONGEST + b'"}', [f"body: {TOO_LONG.replace('line 1', 'line 2')} 1 on"]),
    ],
)  # fmt: skip
def test_problems_in_json_lines_name_the_entry_and_the_line(body: bytes, problems: list[str]) -> None:
    assert list(outcome(body)) == problems


@pytest.mark.parametrize(
    "body",
    [
        A,
        A + b"\n",
        b"\n\r\n" + A + b"\r\n\r\n",
        b'{"root": "r"}\n' + A,
        b'  {"names": null} \r\n\t' + A + b" ",
        b'{"root": "r", "comment": 1}\n' + A,
        b'{"path": "a", "\\u0069d": 1, "files": []}',
    ],
)
def test_json_lines_are_known_by_their_first_line(body: bytes) -> None:
    found = outcome(body)
    assert isinstance(found, Manifest), found
    assert [(one.archive_id, one.path) for one in found.entries] == [("1", "a")]


@pytest.mark.parametrize("body", [b'{\n"id": 1, "path": "a"}', b'{"id": 1,\n"path": "a"}'])
def test_an_entry_over_several_lines_is_not_json_lines(body: bytes) -> None:
    assert outcome(body) == ("fileids: is missing",)
