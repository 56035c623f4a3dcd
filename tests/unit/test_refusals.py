"""The log of a flood of refused files: one line for each kind of answer."""

from __future__ import annotations

import logging

import pytest

from workers.archive.refusals import Refusals


def test_refused_files_are_summed_up_by_the_kind_of_answer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    refusals = Refusals(logging.getLogger("archive"))
    for number in range(100):
        refusals.add(500, f"f{number}", b"an error of the archive")
    refusals.add(404, "other", b"x" * 1000)
    refusals.log()
    assert [record.getMessage() for record in caplog.records] == [
        "archive answered 500 for 100 files, first 'f0': b'an error of the archive'",
        f"archive answered 404 for 1 file 'other': {b'x' * 300!r}",
    ]


def test_nothing_is_logged_without_a_refusal(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    Refusals(logging.getLogger("archive")).log()
    assert caplog.records == []
