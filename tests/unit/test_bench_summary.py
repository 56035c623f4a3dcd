"""The benchmark's medians, ratios and targets, and the report made from them."""

from __future__ import annotations

import pytest

from bench.meter import Reading
from bench.records import FLOOR, OURS, PEER, PER_SECOND, Cost, Record
from bench.report import report
from bench.small_files import model
from bench.summary import HEADS, REAL, Summary, Target


def times(side: str, *figures: float, workload: str = "W1", files: int = 1_000) -> list[Record]:
    return [Record(workload, REAL, side, figure, files=files) for figure in figures]


def target(summary: Summary, prefix: str) -> Target:
    return next(target for target in summary.targets() if target.text.startswith(prefix))


def cost(largest_worker: int, archive_requests: int = 0) -> Cost:
    reading = Reading(1.0, {"workers": 1.0}, {"workers": 2 * largest_worker}, {"workers": largest_worker}, 0.0)
    return Cost(reading, 40, 1, archive_requests)


def test_a_ratio_is_the_ratio_of_the_medians() -> None:
    summary = Summary(times(OURS, 1.0, 9.0, 2.0) + times(PEER, 30.0, 20.0, 100.0) + times(FLOOR, 1.6))

    assert summary.faster_than("W1", REAL, PEER) == 15.0
    assert summary.of_floor("W1", REAL) == pytest.approx(1.25)


def test_a_higher_rate_is_faster() -> None:
    records = [Record("W5", HEADS, side, rate, PER_SECOND) for side, rate in ((OURS, 2_000.0), (PEER, 400.0))]

    head_rate = target(Summary(records), "W5")

    assert head_rate.value == 5.0
    assert head_rate.reached


def test_a_record_with_a_problem_is_listed_but_its_figure_is_ignored() -> None:
    wrong = Record("W1", REAL, OURS, 0.1, problem="1 of 1 tars wrong: lacks 3 of 1000 files")
    summary = Summary([wrong, *times(OURS, 2.0), *times(PEER, 30.0)])

    assert summary.faster_than("W1", REAL, PEER) == 15.0
    assert "lacks 3 of 1000 files" in report(summary, {}, "")


def test_a_target_that_was_not_measured_is_neither_reached_nor_missed() -> None:
    assert target(Summary(times(OURS, 2.0)), "W1: times faster").reached is None


def test_growth_is_compared_per_file() -> None:
    summary = Summary(times(OURS, 2.0) + times(OURS, 24.0, workload="W2", files=10_000))

    growth = target(summary, "W2: time per file")

    assert growth.value == pytest.approx(1.2)
    assert growth.reached is False


def test_one_archive_request_for_staged_files_misses_the_target() -> None:
    records = [
        Record("W7", REAL, OURS, 0.4, files=1_000, cost=cost(90, archive_requests)) for archive_requests in (0, 1)
    ]

    assert target(Summary(records[:1]), "W7: archive requests").reached
    assert target(Summary(records), "W7: archive requests").reached is False


def test_peak_memory_is_the_largest_worker_of_any_workload() -> None:
    small = Record("W1", REAL, OURS, 1.0, files=1, cost=cost(90_000_000))
    large = Record("W3", REAL, OURS, 1.0, files=1, cost=cost(210_000_000))

    assert target(Summary([small, large]), "peak memory").value == 210.0
    assert target(Summary([small, large]), "peak memory").reached is False


def test_the_peers_time_is_modelled_by_a_linear_and_a_quadratic_term() -> None:
    def takes(files: int) -> float:
        return 0.0165 * files + 11.7e-6 * files**2

    samples = [Record("W2", f"{files} files", PEER, takes(files), files=files) for files in (2_000, 5_000)]

    modelled = model(samples, 10_000)

    assert modelled is not None
    assert modelled.figure == pytest.approx(takes(10_000))
    assert "modelled from 2,000 and 5,000 files" in modelled.note
    assert model(samples[:1], 10_000) is None


def test_the_report_says_why_there_is_no_peer() -> None:
    text = report(Summary(times(OURS, 2.0) + times(FLOOR, 1.0)), {"cores": "2"}, "missing: redis-server")

    assert "No peer: missing: redis-server" in text
    assert "| W1 | real archive | s | 2 | – | 1 | – | 2 |" in text
