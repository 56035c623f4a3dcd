"""The log of waits: one line when a wait begins, one every five minutes, one when it ends."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import pytest

from chalicelib.config.log_formats import TextLines
from chalicelib.db.states import WaitsFor
from chalicelib.stores.job_row import Job, JobKind
from workers.runtime.wait_log import WaitLog, WaitLogPolicy

REFUSED = "the archive is down: cannot connect to the archive"


@dataclass
class Waits:
    """A log of waits whose clock stands still but for `pass_by`, and its lines."""

    caplog: pytest.LogCaptureFixture
    policy: WaitLogPolicy = WaitLogPolicy()
    now: float = 1e9
    log: WaitLog = field(init=False)

    def __post_init__(self) -> None:
        self.log = WaitLog(self.policy, lambda: self.now)

    def pass_by(self, seconds: float) -> None:
        self.now += seconds

    def lines(self) -> list[str]:
        """The lines since the last look."""
        found = [record.getMessage() for record in self.caplog.records]
        self.caplog.clear()
        return found


@pytest.fixture
def waits(caplog: pytest.LogCaptureFixture) -> Waits:
    caplog.set_level(logging.INFO)
    return Waits(caplog)


def job(number: int = 12, cart: int = 7, kind: str = JobKind.WINDOW, **wait: object) -> Job:
    values = {"id": number, "cart_id": cart, "kind": kind, "window": 3, "attempts": 1, "token": 1}
    return Job(**values, progress_at=0.0, last_error="", **wait)  # type: ignore[arg-type]


def test_a_wait_is_logged_when_it_begins_every_five_minutes_and_when_it_ends(waits: Waits) -> None:
    lines = []
    for _ in range(62):
        waits.log.waiting(job(), WaitsFor.ARCHIVE, REFUSED)
        waits.pass_by(5)
        lines += waits.lines()
    waits.log.ended(job(), WaitsFor.ARCHIVE)
    assert lines == [f"cart 7 waits for the archive: {REFUSED} (job 12, window 3)"] * 2
    assert waits.lines() == ["cart 7 no longer waits for the archive, after 310 s"]


def test_fifty_windows_of_a_cart_that_wait_for_the_same_are_one_line(waits: Waits) -> None:
    for number in range(50):
        waits.log.waiting(job(number), WaitsFor.ARCHIVE, REFUSED)
    assert len(waits.lines()) == 1
    for number in range(49):
        waits.log.ended(job(number), WaitsFor.ARCHIVE)
    assert waits.lines() == []
    waits.log.ended(job(49), WaitsFor.ARCHIVE)
    assert len(waits.lines()) == 1


def test_another_wait_of_the_cart_and_one_of_another_cart_are_logged_at_once(waits: Waits) -> None:
    waits.log.waiting(job(), WaitsFor.ARCHIVE, REFUSED)
    waits.log.waiting(job(), WaitsFor.SPACE, "the volume is full")
    waits.log.waiting(job(13, cart=8), WaitsFor.ARCHIVE, REFUSED)
    assert [line.split(":")[0] for line in waits.lines()] == [
        "cart 7 waits for the archive",
        "cart 7 waits for the volume",
        "cart 8 waits for the archive",
    ]


def test_a_wait_that_ends_and_begins_again_and_again_is_a_line_every_half_minute(waits: Waits) -> None:
    for _ in range(100):
        waits.log.waiting(job(), WaitsFor.ARCHIVE, REFUSED)
        waits.log.ended(job(), WaitsFor.ARCHIVE)
        waits.pass_by(1)
    assert len(waits.lines()) == 8, "four times, its beginning and its end"


def test_a_wait_that_began_in_another_process_ends_here(waits: Waits) -> None:
    waits.log.claimed(job(waits_for="archive", waits_since=waits.now - 300))
    waits.pass_by(12)
    waits.log.ended(job(), WaitsFor.ARCHIVE)
    assert waits.lines() == ["cart 7 no longer waits for the archive, after 312 s"]


def test_the_wait_of_a_cart_that_has_ended_is_forgotten_without_a_word(waits: Waits) -> None:
    waits.log.waiting(job(), WaitsFor.ARCHIVE, REFUSED)
    waits.lines()
    waits.log.forget(job())
    waits.log.ended(job(), WaitsFor.ARCHIVE)
    assert waits.lines() == []


def test_what_is_in_order_is_no_warning(waits: Waits) -> None:
    waits.log.waiting(job(kind=JobKind.RECALL), WaitsFor.TAPE, "3 files are on tape")
    waits.log.waiting(job(), WaitsFor.STORE, "it did not answer")
    assert [(record.levelname, record.waits_for) for record in waits.caplog.records] == [  # type: ignore[attr-defined]
        ("INFO", "tape"),
        ("WARNING", "store"),
    ]
    assert waits.lines()[0] == "cart 7 waits for files on tape: 3 files are on tape (job 12, recall)"


def test_the_memory_of_waits_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    waits = Waits(caplog, WaitLogPolicy(most=10))
    for cart in range(1, 100):
        waits.log.waiting(job(cart, cart), WaitsFor.ARCHIVE, REFUSED)
    waits.lines()
    caplog.set_level(logging.INFO)
    waits.log.ended(job(1, 1), WaitsFor.ARCHIVE)
    assert waits.lines() == [], "it was forgotten"
    waits.log.ended(job(99, 99), WaitsFor.ARCHIVE)
    assert len(waits.lines()) == 1


def test_its_lines_name_the_cart_and_its_request_in_whatever_thread_they_are_written(waits: Waits) -> None:
    waits.caplog.handler.setFormatter(TextLines())
    waits.log.waiting(job(uid="run-44", owner="bob", request="6f1c"), WaitsFor.ARCHIVE, REFUSED)
    waits.log.ended(job(uid="run-44", owner="bob", request="6f1c"), WaitsFor.ARCHIVE)
    begun, ended = waits.caplog.text.splitlines()
    fields = " uid=run-44 owner=bob cart=7 job=12 request=6f1c"
    assert begun.endswith(fields)
    assert ended.endswith(fields)
