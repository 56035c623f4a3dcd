"""The machine a report was made on, and waiting until it is quiet."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path

import psutil

QUIET = 0.10  # share of the CPUs others may use
LOOK = 0.5


def describe(folder: Path) -> dict[str, str]:
    """CPU, memory, kernel, file system of `folder`, Python."""
    return {
        "CPU": _cpu_model(),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "file system": _file_system(folder),
        "Python": platform.python_version(),
    }


def settle(longest: float) -> None:
    """Write out what is dirty, then wait until the CPUs are idle, but no longer than `longest` seconds."""
    subprocess.run(["sync"], check=False)
    deadline = time.monotonic() + longest
    psutil.cpu_percent()
    while time.monotonic() < deadline:
        time.sleep(LOOK)
        if psutil.cpu_percent() < 100 * QUIET:
            return


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    mounts = [mount for mount in psutil.disk_partitions(all=True) if folder.is_relative_to(mount.mountpoint)]
    return max(mounts, key=lambda mount: len(mount.mountpoint)).fstype if mounts else "unknown"
