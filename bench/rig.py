"""The benchmark rig: the database, the archives, the test files, the peer and the cart under test."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from bench import archives, cart_system, files, machine, mariadb, peer, peer_install, trash
from bench.cart_system import CartSystem
from bench.files import FileSet
from bench.floor_upload import FloorUploader
from bench.plan import Plan
from bench.processes import BenchFailed
from bench.records import Record
from infra.local.ports import keep_ports

PORTS = ("mysql", "archive", "simulator", "api", "peer", "redis")


@dataclass(slots=True)
class Rig:
    plan: Plan
    folder: Path
    ports: dict[str, int]
    database: mariadb.Server
    real: archives.RealArchive
    simulator: archives.SimulatedArchive
    #: None when the peer is not available; `no_peer` holds the reason
    peer: peer.Peer | None
    no_peer: str
    say: Callable[[str], None]
    records: list[Record] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    _labels: int = 0

    def start_cart(
        self, archive: archives.Archive, workers: int = cart_system.WORKERS, **settings: str
    ) -> AbstractContextManager[CartSystem]:
        """Start the cart on this archive with an empty database, volume and store."""
        folder, port = self.folder / "ours", self.ports["api"]
        return cart_system.started(folder, port, self.database, archive.url, workers, **settings)

    def floor_uploader(self, system: CartSystem) -> FloorUploader:
        return FloorUploader(system.store(), self.folder / "noise")

    def files(self, size: int, count: int) -> FileSet:
        return files.make(self.folder / "archive", size, count)

    def label(self) -> str:
        """A new label for each repetition, so that none of its files is staged yet."""
        self._labels += 1
        return f"run{self._labels}"

    def settle(self) -> None:
        machine.settle(self.plan.settle)

    def note(self, record: Record) -> None:
        self.records.append(record)
        self.say(f"{time.monotonic() - self.began:6.0f} s  {record.line()}")


@contextmanager
def opened(plan: Plan, folder: Path, say: Callable[[str], None], *, with_peer: bool) -> Iterator[Rig]:
    """Start everything except the cart itself. Raises BenchFailed."""
    archive, log = folder / "archive", folder / "log"
    log.mkdir(parents=True, exist_ok=True)
    lock = _lock(folder)
    trash.empty(folder)
    files.remove_links(archive)
    archive.mkdir(exist_ok=True)
    ports = keep_ports(folder / "ports.json", PORTS, on_taken=lambda *_: None)
    with ExitStack() as stack:
        database = stack.enter_context(mariadb.started(folder / "mariadb", ports["mysql"], log / "mariadb.log"))
        real = stack.enter_context(
            archives.real(archive, folder / "archive-home", ports["archive"], log / "archive.log")
        )
        simulator = stack.enter_context(archives.simulator(archive, ports["simulator"], log / "simulator.log"))
        other, no_peer = _peer(stack, folder, ports, database, real.url) if with_peer else (None, "left out")
        if no_peer:
            say(f"no peer: {no_peer}")
        yield Rig(plan, folder, ports, database, real, simulator, other, no_peer, say)
    shutil.rmtree(folder / "mariadb", ignore_errors=True)
    files.remove_links(archive)
    trash.empty(folder)
    lock.close()


def _lock(folder: Path) -> IO[bytes]:
    """Lock the folder until the returned file is closed or this process ends."""
    lock = (folder / "lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BenchFailed(f"another benchmark is running in {folder}") from None
    return lock


def _peer(
    stack: ExitStack, folder: Path, ports: dict[str, int], database: mariadb.Server, archive_url: str
) -> tuple[peer.Peer | None, str]:
    """The peer and an empty string, or None and the reason why it is not available."""
    try:
        programs = peer_install.environment(folder / "peer-python", folder / "log" / "peer-install.log")
        both = (ports["peer"], ports["redis"])
        return stack.enter_context(peer.started(programs, folder / "peer", both, database, archive_url)), ""
    except BenchFailed as error:
        return None, str(error)
