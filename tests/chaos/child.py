"""Runs a process of the product with chaos hooks installed: `python -m tests.chaos.child worker|api ...`.

CHAOS_ARMED is the folder of armed steps (see steps.py). CHAOS_DISK is the control file for I/O errors on a worker's
volume (see disk.py). CHAOS_CLOCK, if set, is a file that holds seconds to add to the process's clock, as if the clock
of its machine had jumped.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import time
from pathlib import Path

from tests.chaos import steps
from tests.chaos.disk import Disk

POLL_INTERVAL = 0.2


def main() -> None:
    armed, role = Path(os.environ["CHAOS_ARMED"]), sys.argv[1]
    if os.environ.get("CHAOS_CLOCK"):
        _offset_clock(Path(os.environ["CHAOS_CLOCK"]))
    if role == "worker":
        steps.install(steps.WORKER, armed)
        steps.install_poison()
        Disk(os.environ["VOLUME_PATH"], Path(os.environ["CHAOS_DISK"])).install()
        sys.argv = ["workers"]
        runpy.run_module("workers", run_name="__main__")
    else:
        steps.install(steps.API, armed)  # Granian forks its workers from this process
        sys.argv = ["granian", *sys.argv[2:]]
        runpy.run_module("granian", run_name="__main__")


def _offset_clock(file: Path) -> None:
    real, offset = time.time, [0.0]

    def watch() -> None:
        while True:
            offset[0] = float(file.read_text() or 0) if file.exists() else 0.0
            time.sleep(POLL_INTERVAL)

    threading.Thread(target=watch, daemon=True).start()
    time.time = lambda: real() + offset[0]


if __name__ == "__main__":
    main()
