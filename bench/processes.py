"""Processes started by the benchmark: each has its own process group and log and ends with the benchmark."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from infra.local import die_with_parent

START_WITHIN = 90.0
END_WITHIN = 20.0
POLL_INTERVAL = 0.05


class BenchFailed(Exception):
    """A requirement of the benchmark is missing or failed; the message says what to do."""


@contextmanager
def running(
    argv: Sequence[str],
    log: Path,
    is_ready: Callable[[], bool],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[int]:
    """Start a process and yield its id once it is ready; kill its group on exit.

    Call this from the main thread only (see die_with_parent). Raises BenchFailed when the process does not get ready.
    """
    command = [sys.executable, "-I", "-S", die_with_parent.__file__, str(os.getpid()), *argv]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        _await_ready(process, is_ready, log)
        yield process.pid
    finally:
        _end(process)


def _await_ready(process: subprocess.Popen[bytes], is_ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + START_WITHIN
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchFailed(f"{log.stem} did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(POLL_INTERVAL)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_WITHIN)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # the whole group has exited
    process.wait()
