"""The cost of a run: CPU seconds and peak memory of groups of processes, and the CPU share of other processes.

Peaks come from the kernel (VmHWM, reset at the start), so there is no sampling that could miss one. The peak of a group
is the sum of its processes' peaks: an upper bound that counts shared pages once per process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

HZ = os.sysconf("SC_CLK_TCK")
RESET_PEAK = "5"

Groups = Mapping[str, Sequence[int]]  # name -> root process ids; a group is their process trees


@dataclass(frozen=True, slots=True)
class Reading:
    seconds: float
    #: CPU seconds by group; `client` is the benchmark's own process
    cpu: Mapping[str, float]
    #: bytes by group: the sum over its processes, and the largest one
    peak_rss: Mapping[str, int]
    largest_rss: Mapping[str, int]
    #: share of all cores' time used by neither the groups nor the client; includes kernel threads
    other_cpu_share: float


@dataclass(slots=True)
class Meter:
    """Measures the groups from its creation until `stop`."""

    groups: Groups
    _pids: dict[str, list[int]] = field(init=False)
    _cpu: dict[str, float] = field(init=False)
    _began: tuple[float, float, float] = field(init=False)

    def __post_init__(self) -> None:
        self._pids = {name: [pid for root in roots for pid in tree(root)] for name, roots in self.groups.items()}
        for pid in (pid for pids in self._pids.values() for pid in pids):
            _reset_peak(pid)
        self._cpu = {name: sum(map(_cpu_of, pids)) for name, pids in self._pids.items()}
        self._began = (time.perf_counter(), _busy(), _own())

    def stop(self) -> Reading:
        seconds, busy, own = (now - then for now, then in zip(self._now(), self._began, strict=True))
        cpu = {name: sum(map(_cpu_of, pids)) - self._cpu[name] for name, pids in self._pids.items()}
        peaks = {name: [_peak(pid) for pid in pids] for name, pids in self._pids.items()}
        other = max(0.0, busy - own - sum(cpu.values()))
        return Reading(
            seconds,
            {name: round(used, 2) for name, used in (cpu | {"client": own}).items()},
            {name: sum(sizes) for name, sizes in peaks.items()},
            {name: max(sizes, default=0) for name, sizes in peaks.items()},
            round(other / (seconds * (os.cpu_count() or 1)), 3),
        )

    def _now(self) -> tuple[float, float, float]:
        return time.perf_counter(), _busy(), _own()


def tree(root: int) -> list[int]:
    """The ids of a process and all its descendants."""
    try:
        return [root, *(child.pid for child in psutil.Process(root).children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def children_by(root: int, names: Mapping[str, Callable[[str], bool]]) -> dict[str, list[int]]:
    """The direct children of a process, grouped by their command lines."""
    groups: dict[str, list[int]] = {name: [] for name in names}
    for child in psutil.Process(root).children():
        line = " ".join(child.cmdline())
        for name, belongs in names.items():
            if belongs(line):
                groups[name].append(child.pid)
    return groups


def _cpu_of(pid: int) -> float:
    """User and system seconds, including exited children; 0 if the process is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / HZ


def _reset_peak(pid: int) -> None:
    try:
        Path(f"/proc/{pid}/clear_refs").write_text(RESET_PEAK)
    except OSError:
        pass  # gone, or owned by another user: its peak then covers its whole life


def _peak(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(found[0]) * 1024 if found else 0


def _busy() -> float:
    """CPU seconds of all processes since the machine booted."""
    user, nice, system, _idle, _wait, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq) / HZ


def _own() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
