"""`python -m chalicelib.sweeper`: sweeps periodically where no scheduled Lambda does."""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import time
from collections.abc import Callable

from chalicelib.config import logs
from chalicelib.config.settings import load
from chalicelib.errors import CartError
from chalicelib.start_line import log_start
from chalicelib.sweep.sweep import SweepIncomplete
from chalicelib.wiring import build

log = logging.getLogger(__name__)


def main(monotonic: Callable[[], float] = time.monotonic) -> int:
    """Sweep every SWEEP_INTERVAL until SIGTERM or SIGINT; return the exit code."""
    try:
        settings = load(os.environ)
    except CartError as error:
        print(error.message, file=sys.stderr)
        return 1
    logs.configure(settings.log_level, settings.log_format)
    signals: queue.SimpleQueue[None] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: signals.put(None))
    system = build(settings, process="sweep")
    system.health.serve(settings.metrics_address)
    log_start("sweep", settings, system.database, os.environ)
    while not _signalled(signals, settings.sweep_interval, monotonic):
        try:
            system.sweep.run()
        except SweepIncomplete as error:  # each failure is logged; the next sweep tries again
            log.debug("%s", error)
        system.health.report()
    return 0


def _signalled(signals: queue.SimpleQueue[None], timeout: float, monotonic: Callable[[], float]) -> bool:
    """Wait up to `timeout` seconds for a signal, waking every second: Python runs handlers only in this thread."""
    deadline = monotonic() + timeout
    while (left := deadline - monotonic()) > 0:
        try:
            signals.get(timeout=min(1.0, left))
        except queue.Empty:
            continue
        return True
    return False


if __name__ == "__main__":
    sys.exit(main())
