"""Workers while the queue, the database, the bundle store or the volume fails or answers nonsense."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import threading
import time
from collections.abc import Callable
from typing import Any

import botocore.parsers
import pytest

from chalicelib.db.database import Database
from chalicelib.db.models import Jobs
from chalicelib.db.volume_models import Volume
from chalicelib.errors import DatabaseUnavailable, StoreUnavailable
from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import (
    MIB,
    assert_ready,
    assert_volume_consistent,
    generated,
    gets,
    manifest,
    rows,
    send_idle_jobs,
    staged_path,
    until,
    volume,
)
from workers.staging.stage import Stager

FILES = generated(3, 2000)


@pytest.fixture
def site(site_of: Callable[..., Site]) -> Site:
    """A site whose workers pause only briefly after a failed receive and an unreadable file."""
    return site_of({"consumer": {"receive_pause": 0.05}, "unreadable_delay": 0.1})


def test_a_worker_keeps_receiving_after_any_error(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = site.start_worker()
    queue = worker.system.queue
    receive, calls = queue.receive, itertools.count()

    def garbled(*args: Any) -> Any:
        if next(calls) < 4:
            raise KeyError("Messages")
        return receive(*args)

    monkeypatch.setattr(queue, "receive", garbled)
    site.system.service.create(ANYONE, "garbled", manifest(FILES))
    assert_ready(site, "garbled", FILES)
    site.system.service.create(ANYONE, "again", manifest(FILES))
    assert_ready(site, "again", FILES)
    assert next(calls) > 4


def test_a_worker_pauses_between_receives_from_a_queue_without_long_polling(
    site_of: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_of({"consumer": {"receive_pause": 0.1}})
    worker = site.start_worker()
    calls = list[float]()

    monkeypatch.setattr(worker.system.queue, "receive", counted(calls, lambda *_: []))
    site.system.service.create(ANYONE, "ends-the-long-poll", manifest(FILES))
    until(lambda: len(calls) >= 5)
    assert calls[4] - calls[0] > 0.3


def test_heartbeats_continue_after_any_error(site_of: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> None:
    site = site_of(LEASE="2")
    site.put("slow", b"slow")
    site.simulator.control(latency_ms=20_000)
    worker = site.start_worker()
    site.system.service.create(ANYONE, "held", manifest({"slow": b"slow"}))
    renew, beats = worker.system.jobs.renew, list[float]()

    def failing(jobs: Any) -> Any:
        beats.append(time.monotonic())
        if len(beats) == 1:
            raise RuntimeError("unexpected")
        return renew(jobs)

    monkeypatch.setattr(worker.system.jobs, "renew", failing)
    until(lambda: len(beats) >= 3)


def test_a_worker_receives_no_messages_while_the_database_is_down(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    down, received, clock_reads = threading.Event(), list[float](), list[float]()
    clock = counted(clock_reads, unavailable_while(down, site.system.database.clock))
    monkeypatch.setattr(Database, "clock", lambda _: clock())
    system = site.start_worker().system
    monkeypatch.setattr(system.jobs, "claim", unavailable_while(down, system.jobs.claim))
    monkeypatch.setattr(system.queue, "receive", counted(received, system.queue.receive))
    down.set()
    site.system.service.create(ANYONE, "blind", manifest(FILES))
    until(lambda: len(clock_reads) >= 10, 30)
    assert len(received) <= 2
    down.clear()
    send_idle_jobs(site)
    assert_ready(site, "blind", FILES)


def test_a_malformed_response_of_the_store_counts_as_a_failure_of_the_store(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def garbled(**_: Any) -> Any:
        raise botocore.parsers.ResponseParserError("mismatched tag")

    monkeypatch.setattr(site.system.bundles._client, "head_object", garbled)
    with pytest.raises(StoreUnavailable):
        site.system.bundles.find("carts/1/1.tar")


def test_work_waits_while_the_volume_is_read_only(
    site_of: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More failures than a job is allowed: these do not count."""
    site = site_of({"consumer": {"poison_attempts": 2}})
    worker = site.start_worker()
    volume, calls = worker.volume, itertools.count(1)
    keep = volume.keep

    def read_only(*args: Any) -> None:
        if next(calls) <= 4:
            raise OSError(errno.EROFS, "Read-only file system")
        keep(*args)

    monkeypatch.setattr(volume, "keep", read_only)
    site.system.service.create(ANYONE, "waits", manifest(FILES))
    until(lambda: any("Read-only" in reason for (reason,) in rows(site, Jobs.wait_reason)))
    assert_ready(site, "waits", FILES)


@pytest.mark.parametrize("files", [FILES, generated(2, 6 * MIB)], ids=["one PUT", "parts"])
def test_only_the_staged_file_on_bad_blocks_is_staged_again(
    site_of: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]
) -> None:
    site = site_of(PART_SIZE="5M", WINDOW_SIZE="5M")
    victim, *_ = files
    bad, preadv, stage = list[int](), os.preadv, Stager.stage

    def stage_on_bad_blocks(*args: Any) -> None:
        stage(*args)
        if not bad and staged_path(site, victim).exists():
            bad.append(staged_path(site, victim).stat().st_ino)

    def failing_read(descriptor: int, *args: Any) -> int:
        if os.fstat(descriptor).st_ino in bad:
            raise OSError(errno.EIO, "Input/output error")
        return preadv(descriptor, *args)

    monkeypatch.setattr(Stager, "stage", stage_on_bad_blocks)
    monkeypatch.setattr(os, "preadv", failing_read)
    site.start_worker()
    site.system.service.create(ANYONE, "bad", manifest(files))
    assert_ready(site, "bad", files)
    assert bad
    assert (gets(site, victim), gets(site)) == (2, len(files) + 1)


def test_a_staged_file_that_cannot_be_read_for_another_hash_is_staged_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim, *_ = FILES
    site.start_worker()
    site.system.service.create(ANYONE, "sha1", manifest(FILES))
    assert_ready(site, "sha1", FILES)
    bad, read = staged_path(site, victim).stat().st_ino, os.read

    def failing_read(descriptor: int, size: int) -> bytes:
        if os.fstat(descriptor).st_ino == bad:
            raise OSError(errno.EIO, "Input/output error")
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", failing_read)
    site.system.service.create(ANYONE, "md5", manifest(FILES, "md5"))
    assert_ready(site, "md5", FILES)
    assert gets(site) == len(FILES) + 1


@pytest.mark.parametrize("folder", ["files", "tmp"])
def test_a_sweep_recreates_the_directories_of_an_emptied_volume_and_no_cart_fails(site: Site, folder: str) -> None:
    site.start_worker()
    site.system.service.create(ANYONE, "before", manifest(FILES))
    assert_ready(site, "before", FILES)
    shutil.rmtree(volume(site) / folder)
    more = generated(3, 3000, "more")
    site.system.service.create(ANYONE, "during", manifest(FILES | more))
    until(lambda: any("is missing from the volume" in reason for (reason,) in rows(site, Jobs.wait_reason)))
    with site.system.database.session() as db:
        Volume.update(reconciled_at=0).execute(db)
    site.system.sweep.run()
    assert_ready(site, "during", FILES | more)
    assert_volume_consistent(site)


def counted(calls: list[float], method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, which adds the time of each call to `calls`."""

    def call(*args: Any) -> Any:
        calls.append(time.monotonic())
        return method(*args)

    return call


def unavailable_while(down: threading.Event, method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, which raises DatabaseUnavailable while `down` is set."""

    def call(*args: Any) -> Any:
        if down.is_set():
            raise DatabaseUnavailable
        return method(*args)

    return call
