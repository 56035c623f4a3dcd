"""Finds and ends processes that outlived the supervisor that started them."""

from __future__ import annotations

from pathlib import Path

import psutil

#: Variable in the environment of every process a supervisor starts, and of their children: the supervisor's CART_HOME.
MARK = "CART_SUPERVISOR_HOME"


def end_orphans(home: Path, *, timeout: float = 8.0) -> int:
    """End every process marked with this home: SIGTERM, then SIGKILL after `timeout` seconds. Returns their number.

    Call this only while holding the home's lock; otherwise it ends another supervisor's processes.
    """
    orphans = [process for process in psutil.process_iter() if _is_marked(process, home)]
    for process in orphans:
        _signal(process, "terminate")
    _, running = psutil.wait_procs(orphans, timeout=timeout)
    for process in running:
        _signal(process, "kill")
    psutil.wait_procs(running, timeout=1)
    return len(orphans)


def _is_marked(process: psutil.Process, home: Path) -> bool:
    try:
        return process.environ().get(MARK) == str(home) and process.pid != psutil.Process().pid
    except (psutil.Error, OSError):
        return False  # owned by another user, or it has just ended


def _signal(process: psutil.Process, method: str) -> None:
    try:
        getattr(process, method)()
    except psutil.NoSuchProcess:
        pass
