"""Describes the machine for the report, and waits until it is idle."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path

import psutil

IDLE_BELOW = 0.10  # share of all CPUs in use
POLL_INTERVAL = 0.5


def describe(folder: Path) -> dict[str, str]:
    """Name -> value: CPU, memory, kernel, file system of `folder`, Python."""
    return {
        "CPU": _cpu_model(),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "file system": _file_system(folder),
        "Python": platform.python_version(),
    }


def settle(timeout: float) -> None:
    """Flush dirty pages to disk, then wait until the CPUs are idle, for `timeout` seconds at most."""
    subprocess.run(["sync"], check=False)
    deadline = time.monotonic() + timeout
    psutil.cpu_percent()
    while time.monotonic() < deadline:
        time.sleep(POLL_INTERVAL)
        if psutil.cpu_percent() < 100 * IDLE_BELOW:
            return


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    mounts = [mount for mount in psutil.disk_partitions(all=True) if folder.is_relative_to(mount.mountpoint)]
    return max(mounts, key=lambda mount: len(mount.mountpoint)).fstype if mounts else "unknown"
