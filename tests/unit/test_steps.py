"""How a thread that hangs is noticed, and what a worker does about it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from chalicelib.errors import DatabaseUnavailable
from workers.runtime.steps import Steps
from workers.runtime.worker_watch import Identified, WatchPolicy, WorkerWatch

HUNG_AFTER = 900.0


class States:
    """Rows of workers, as calls."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self.is_down = self.is_gone = False

    def started(self, *row: Any) -> None:
        self._add("started", *row)
        self.is_gone = False

    def seen(self, *row: Any) -> bool:
        self._add("seen", *row)
        return not self.is_gone

    def stopped(self, *row: Any) -> None:
        self._add("stopped", *row)

    def _add(self, *row: Any) -> None:
        if self.is_down:
            raise DatabaseUnavailable("The database cannot be reached.")
        self.rows.append(row)


class Watched:
    """A worker's watch, whose time stands still."""

    def __init__(self, file: Path) -> None:
        self.now, self.threads_run, self.states = 0.0, True, States()
        self.file, self.steps = file, Steps(lambda: self.now)
        self.watch = WorkerWatch(
            Identified("worker-1", "abc"),
            cast(Any, self.states),
            lambda: [7],
            lambda: self.threads_run,
            self.steps,
            file,
            WatchPolicy(hung_after=HUNG_AFTER),
        )

    def touches(self) -> bool:
        """Whether a look touches the file."""
        self.file.unlink(missing_ok=True)
        self.watch._look()
        return self.file.exists()


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "alive")


def test_the_file_is_touched_while_each_thread_makes_steps(watched: Watched) -> None:
    assert watched.touches(), "nothing to do"
    with watched.steps.working("window job 7"):
        watched.now = HUNG_AFTER - 1
        watched.steps.step()
        watched.now = 2 * HUNG_AFTER - 2
        assert watched.touches()
    watched.now = 99 * HUNG_AFTER
    assert watched.touches(), "its work is over"


def test_a_thread_without_a_step_stops_it_and_says_so(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    with watched.steps.working("window job 7"):
        watched.now = HUNG_AFTER + 1
        assert not watched.touches()
        assert not watched.touches()
        watched.watch.beat()
        watched.steps.step()
        assert watched.touches()
    assert watched.states.rows[-1][0:5] == ("seen", "worker-1", [7], "window job 7", HUNG_AFTER + 1)
    assert watched.states.rows[-1][-1] is True
    [error] = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert "no step for 901 s (window job 7)" in error


def test_steps_of_another_thread_do_not_count(watched: Watched) -> None:
    with watched.steps.working("window job 7"):
        watched.now = HUNG_AFTER + 1
        other = threading.Thread(target=watched.steps.step)
        other.start()
        other.join()
        assert not watched.touches()


def test_it_is_not_touched_when_no_message_is_received_any_more(watched: Watched) -> None:
    watched.threads_run = False
    assert not watched.touches()


def test_a_row_that_was_deleted_is_made_again(watched: Watched) -> None:
    watched.states.is_gone = True
    watched.watch.beat()
    assert [row[0] for row in watched.states.rows] == ["seen", "started", "seen"]


def test_a_heartbeat_survives_a_database_that_is_down(watched: Watched) -> None:
    watched.states.is_down = True
    watched.watch.beat()
    watched.watch.stop()


@pytest.mark.parametrize(("age", "code"), [(0, 0), (59, 0), (70, 1), (None, 1)])
def test_the_health_check_reads_the_age_of_the_file(tmp_path: Path, age: float | None, code: int) -> None:
    file = tmp_path / "alive"
    if age is not None:
        file.touch()
        then = file.stat().st_mtime - age
        os.utime(file, (then, then))
    assert _check({"LIVENESS_FILE": str(file)}) == code


def test_the_health_check_fails_without_a_file_to_read() -> None:
    assert _check({}) == 1


def _check(environ: dict[str, str]) -> int:
    command = [sys.executable, "-S", "-m", "workers.alive"]
    return subprocess.run(
        command, env=environ, cwd=Path(__file__).parents[2], check=False, capture_output=True
    ).returncode
