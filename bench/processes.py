"""Processes the benchmark starts: in groups of their own, ended with it, each with its log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from infra.local import tether

START_WITHIN = 90.0
END_WITHIN = 20.0
LOOK_EVERY = 0.05


class BenchFailed(Exception):
    """Something the benchmark needs is missing or failed; the message says what to do."""


@contextmanager
def running(
    argv: Sequence[str],
    log: Path,
    is_ready: Callable[[], bool],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[int]:
    """The process's id, once it is ready; its group is gone at the end. Only from the main thread (see tether)."""
    command = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), *argv]
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
        time.sleep(LOOK_EVERY)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_WITHIN)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # all of it has ended
    process.wait()
