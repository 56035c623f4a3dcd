"""The answer to /files: no larger than API Gateway takes."""

from __future__ import annotations

import json

from chalicelib.api import responses
from chalicelib.stores.progress import FilePage, FileProgress


def page(count: int, path: str) -> FilePage:
    files = [FileProgress(path, f"{number}", "waiting", None, "", position=number) for number in range(count)]
    return FilePage(files, None)


def test_a_page_of_long_paths_ends_where_the_answer_is_full() -> None:
    answer = responses.files(page(10_000, "\u00fc" * 4000))  # six bytes each in JSON
    assert len(answer.body) < 4.1 * 1024 * 1024
    body = json.loads(answer.body)
    assert body["next"] == int(body["files"][-1]["id"])
    assert 100 < len(body["files"]) < 200


def test_a_page_that_fits_is_whole() -> None:
    body = json.loads(responses.files(page(1000, "a/b")).body)
    assert (len(body["files"]), body["next"]) == (1000, None)
