"""Refusals without a login cost a dict's update: bounded in number of addresses, one write in a few seconds."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from chalicelib.caller import Caller
from chalicelib.errors import DatabaseUnavailable
from chalicelib.refusals import Refusals, network_of
from chalicelib.stores.audit import AuditStore
from chalicelib.stores.refusal_counts import RefusalCountStore
from tests.callers import ANYONE

START = 6_000_000.0
MINUTE = 100_000


class Counts:
    """Where counts are written; `written` has each write."""

    def __init__(self) -> None:
        self.written: list[dict[tuple[int, str], int]] = []
        self.failing = False
        self.wrote = threading.Event()

    def add(self, counts: dict[tuple[int, str], int]) -> None:
        if self.failing:
            raise DatabaseUnavailable
        self.written.append(dict(counts))
        self.wrote.set()

    @property
    def total(self) -> int:
        return sum(number for counts in self.written for number in counts.values())


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def refusals(counts: Counts, clock: Clock, **more: Any) -> Refusals:
    options: dict[str, Any] = {"interval": 3600.0, **more}
    audit = cast(AuditStore, None)  # a refusal without a login never reaches it
    return Refusals(audit, cast(RefusalCountStore, counts), lambda: None, clock=clock, **options)


def refuse(recorder: Refusals, address: str, times: int = 1, caller: Caller | None = None) -> None:
    for _ in range(times):
        recorder.record(caller, address, "uid", {})


def test_the_first_is_written_at_once_and_the_others_together(counts: Counts, clock: Clock) -> None:
    recorder = refusals(counts, clock)
    refuse(recorder, "192.0.2.1", 1000)
    assert counts.written == [{(MINUTE, "192.0.2.1"): 1}]
    recorder.flush()
    assert counts.written[1:] == [{(MINUTE, "192.0.2.1"): 999}]
    recorder.flush()
    assert len(counts.written) == 2


def test_nobody_is_counted_as_one_without_a_login(counts: Counts, clock: Clock) -> None:
    refuse(refusals(counts, clock), "192.0.2.1", 1, ANYONE)
    assert counts.total == 1


def test_after_the_interval_the_next_refusal_writes(counts: Counts, clock: Clock) -> None:
    recorder = refusals(counts, clock)
    refuse(recorder, "192.0.2.1", 3)
    clock.now += 3601
    refuse(recorder, "192.0.2.1")
    assert counts.total == 4
    assert counts.written[1] == {(MINUTE, "192.0.2.1"): 2, (MINUTE + 60, "192.0.2.1"): 1}


def test_the_last_ones_are_written_without_another_refusal(counts: Counts, clock: Clock) -> None:
    recorder = refusals(counts, clock, interval=0.02)
    refuse(recorder, "192.0.2.1")
    counts.wrote.clear()
    refuse(recorder, "192.0.2.2")
    assert counts.wrote.wait(30)
    assert counts.total == 2


def test_addresses_beyond_the_limit_are_counted_together(counts: Counts, clock: Clock) -> None:
    recorder = refusals(counts, clock, addresses=3)
    refuse(recorder, "192.0.2.1")
    for number in range(100):
        refuse(recorder, f"198.51.100.{number}", 2)
    recorder.flush()
    assert counts.total == 201
    assert len(counts.written[1]) == 4
    assert counts.written[1][MINUTE, "*"] == 194


def test_a_write_that_fails_is_made_up_for_and_stays_bounded(counts: Counts, clock: Clock) -> None:
    recorder = refusals(counts, clock, addresses=3)
    counts.failing = True
    for number in range(10):
        refuse(recorder, f"192.0.2.{number}")
    with pytest.raises(DatabaseUnavailable):
        recorder.flush()
    counts.failing = False
    recorder.flush()
    assert counts.total == 10
    assert len(counts.written[0]) <= 4


def test_no_refusal_is_lost_between_threads(counts: Counts, clock: Clock) -> None:
    recorder = refusals(counts, clock, interval=0.0)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: refuse(recorder, f"192.0.2.{number % 5}", 100), range(16)))
    recorder.flush()
    assert counts.total == 1600


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("x" * 100, "x" * 64),
    ],
)
def test_who_has_many_addresses_is_counted_once(address: str, counted_as: str) -> None:
    assert network_of(address) == counted_as
