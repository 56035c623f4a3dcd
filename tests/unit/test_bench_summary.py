"""The benchmark's arithmetic: medians, ratios, targets, and the report they end in."""

from __future__ import annotations

import pytest

from bench.meter import Reading
from bench.records import FLOOR, OURS, PEER, PER_SECOND, Cost, Record
from bench.report import report
from bench.small_files import model
from bench.summary import HEADS, REAL, Summary, Target


def times(side: str, *figures: float, workload: str = "W1", files: int = 1_000) -> list[Record]:
    return [Record(workload, REAL, side, figure, files=files) for figure in figures]


def target(summary: Summary, beginning: str) -> Target:
    return next(target for target in summary.targets() if target.text.startswith(beginning))


def cost(largest_worker: int, archive_requests: int = 0) -> Cost:
    reading = Reading(1.0, {"workers": 1.0}, {"workers": 2 * largest_worker}, {"workers": largest_worker}, 0.0)
    return Cost(reading, 40, 1, archive_requests)


def test_a_ratio_is_that_of_the_medians() -> None:
    summary = Summary(times(OURS, 1.0, 9.0, 2.0) + times(PEER, 30.0, 20.0, 100.0) + times(FLOOR, 1.6))

    assert summary.faster_than("W1", REAL, PEER) == 15.0
    assert summary.of_floor("W1", REAL) == pytest.approx(1.25)


def test_more_per_second_is_faster() -> None:
    records = [Record("W5", HEADS, side, rate, PER_SECOND) for side, rate in ((OURS, 2_000.0), (PEER, 400.0))]

    reached = target(Summary(records), "W5")

    assert reached.value == 5.0
    assert reached.reached


def test_a_figure_with_a_problem_is_not_used_but_told() -> None:
    wrong = Record("W1", REAL, OURS, 0.1, problem="1 of 1 tars wrong: lacks 3 of 1000 files")
    summary = Summary([wrong, *times(OURS, 2.0), *times(PEER, 30.0)])

    assert summary.faster_than("W1", REAL, PEER) == 15.0
    assert "lacks 3 of 1000 files" in report(summary, {}, "")


def test_a_target_of_what_was_not_run_is_neither_reached_nor_missed() -> None:
    assert target(Summary(times(OURS, 2.0)), "W1: times faster").reached is None


def test_the_growth_is_compared_per_file() -> None:
    summary = Summary(times(OURS, 2.0) + times(OURS, 24.0, workload="W2", files=10_000))

    missed = target(summary, "W2: time per file")

    assert missed.value == pytest.approx(1.2)
    assert missed.reached is False


def test_one_archive_request_for_staged_files_misses_the_target() -> None:
    records = [
        Record("W7", REAL, OURS, 0.4, files=1_000, cost=cost(90, archive_requests)) for archive_requests in (0, 1)
    ]

    assert target(Summary(records[:1]), "W7: archive requests").reached
    assert target(Summary(records), "W7: archive requests").reached is False


def test_the_largest_worker_of_any_workload_counts() -> None:
    small = Record("W1", REAL, OURS, 1.0, files=1, cost=cost(90_000_000))
    large = Record("W3", REAL, OURS, 1.0, files=1, cost=cost(210_000_000))

    assert target(Summary([small, large]), "peak memory").value == 210.0
    assert target(Summary([small, large]), "peak memory").reached is False


def test_the_peer_is_modelled_by_a_linear_and_a_square_part() -> None:
    def takes(files: int) -> float:
        return 0.0165 * files + 11.7e-6 * files**2

    parts = [Record("W2", f"{files} files", PEER, takes(files), files=files) for files in (2_000, 5_000)]

    modelled = model(parts, 10_000)

    assert modelled is not None
    assert modelled.figure == pytest.approx(takes(10_000))
    assert "modelled from 2,000 and 5,000 files" in modelled.note
    assert model(parts[:1], 10_000) is None


def test_the_report_says_why_there_is_no_peer() -> None:
    text = report(Summary(times(OURS, 2.0) + times(FLOOR, 1.0)), {"cores": "2"}, "missing: redis-server")

    assert "No peer: missing: redis-server" in text
    assert "| W1 | real archive | s | 2 | – | 1 | – | 2 |" in text
