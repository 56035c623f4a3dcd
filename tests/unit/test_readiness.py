"""Readiness: each dependency is asked at the same time, within a time, and not too often."""

from __future__ import annotations

import threading

import pytest

from chalicelib.errors import StoreUnavailable
from chalicelib.health.readiness import Readiness, ReadinessPolicy

POLICY = ReadinessPolicy(within=0.05, kept=0)


def test_what_answers_is_ready_and_has_its_latency() -> None:
    found = Readiness({"store": lambda: None})()["store"]
    assert found.wrong == ""
    assert found.milliseconds is not None
    assert found.milliseconds >= 0


def test_what_fails_is_named_and_why_stays_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def refuse() -> None:
        raise StoreUnavailable("The bundle store refused: key AKIA1234")

    found = Readiness({"database": lambda: None, "store": refuse})()
    assert [(name, bool(one.wrong)) for name, one in found.items()] == [("database", False), ("store", True)]
    assert found["store"].wrong == "The store failed; the log says why."
    assert "AKIA1234" in caplog.text


def test_what_hangs_is_asked_once_and_does_not_hold_up_the_others() -> None:
    asked, go_on = list[int](), threading.Event()

    def hang() -> None:
        asked.append(1)
        go_on.wait(30)

    readiness = Readiness({"queue": hang, "store": lambda: None}, POLICY)
    for _ in range(3):
        found = readiness()
        assert found["queue"].wrong == "The queue did not answer within 0.05 seconds."
        assert found["store"].wrong == ""
    assert asked == [1], "threads would pile up"
    go_on.set()


def test_answers_are_kept_so_that_asking_often_loads_nothing() -> None:
    asked = list[int]()
    readiness = Readiness({"store": lambda: asked.append(1)}, ReadinessPolicy(kept=60))
    for _ in range(5):
        readiness()
    assert asked == [1]
