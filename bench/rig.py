"""Everything the workloads are measured with: the database, the archives, the files, the peer, ourselves."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from bench import archives, files, leftovers, machine, mariadb, ours, peer, peer_install
from bench.bare_store import BareStore
from bench.children import BenchFailed
from bench.files import Set
from bench.ours import Ours as System
from bench.plan import Plan
from bench.records import Record
from infra.local.ports import keep_ports

PORTS = ("mysql", "archive", "simulator", "api", "peer", "redis")


@dataclass(slots=True)
class Laboratory:
    plan: Plan
    folder: Path
    ports: dict[str, int]
    database: mariadb.Server
    real: archives.RealArchive
    simulator: archives.SimulatedArchive
    #: None where there is no peer; `no_peer` says why
    peer: peer.Peer | None
    no_peer: str
    say: Callable[[str], None]
    records: list[Record] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    _labels: int = 0

    def ours(
        self, archive: archives.TheArchive, workers: int = ours.WORKERS, **settings: str
    ) -> AbstractContextManager[System]:
        """Ourselves from empty, on this archive."""
        return ours.started(self.folder / "ours", self.ports["api"], self.database, archive.url, workers, **settings)

    def store(self, system: System) -> BareStore:
        return BareStore(system.store(), self.folder / "noise")

    def files(self, size: int, count: int) -> Set:
        return files.make(self.folder / "archive", size, count)

    def label(self) -> str:
        """New for each repetition, so that no file of it was staged before."""
        self._labels += 1
        return f"run{self._labels}"

    def settle(self) -> None:
        machine.settle(self.plan.settle)

    def note(self, record: Record) -> None:
        self.records.append(record)
        self.say(f"{time.monotonic() - self.began:6.0f} s  {record.line()}")


@contextmanager
def opened(plan: Plan, folder: Path, say: Callable[[str], None], *, with_peer: bool) -> Iterator[Laboratory]:
    """Everything but ourselves, started. Raises BenchFailed."""
    archive, log = folder / "archive", folder / "log"
    log.mkdir(parents=True, exist_ok=True)
    lock = _hold(folder)
    leftovers.clear(folder)
    files.forget_links(archive)
    archive.mkdir(exist_ok=True)
    ports = keep_ports(folder / "ports.json", PORTS, taken=lambda *_: None)
    with ExitStack() as stack:
        database = stack.enter_context(mariadb.started(folder / "mariadb", ports["mysql"], log / "mariadb.log"))
        real = stack.enter_context(
            archives.real(archive, folder / "archive-home", ports["archive"], log / "archive.log")
        )
        simulator = stack.enter_context(archives.simulator(archive, ports["simulator"], log / "simulator.log"))
        other, why_not = _peer(stack, folder, ports, database, real.url) if with_peer else (None, "left out")
        if why_not:
            say(f"no peer: {why_not}")
        yield Laboratory(plan, folder, ports, database, real, simulator, other, why_not, say)
    shutil.rmtree(folder / "mariadb", ignore_errors=True)
    files.forget_links(archive)
    leftovers.clear(folder)
    lock.close()


def _hold(folder: Path) -> IO[bytes]:
    """The folder's lock, held until it is closed or this process ends."""
    lock = (folder / "lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BenchFailed(f"another benchmark is running in {folder}") from None
    return lock


def _peer(
    stack: ExitStack, folder: Path, ports: dict[str, int], database: mariadb.Server, archive_url: str
) -> tuple[peer.Peer | None, str]:
    """The peer, or why there is none."""
    try:
        programs = peer_install.environment(folder / "peer-python", folder / "log" / "peer-install.log")
        both = (ports["peer"], ports["redis"])
        return stack.enter_context(peer.started(programs, folder / "peer", both, database, archive_url)), ""
    except BenchFailed as error:
        return None, str(error)
