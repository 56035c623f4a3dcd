"""The end of a test run's output: how many tests were skipped for each reason, a line each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.getreports("skipped")
    for line in lines(report.longrepr for report in reports):
        terminalreporter.write_line(line)


def lines(reasons: Iterable[object]) -> list[str]:
    """One line for each reason, the most frequent first."""
    counts = Counter(_text(reason) for reason in reasons)
    return [f"{count} skipped: {reason}" for reason, count in counts.most_common()]


def _text(reason: object) -> str:
    """pytest's skips are a tuple of file, line and reason."""
    text = reason[2] if isinstance(reason, tuple) else reason
    return str(text).removeprefix("Skipped: ")
