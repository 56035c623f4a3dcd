"""What a worker does while the queue or the database answer with nonsense, or not at all."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import time
from collections.abc import Callable
from typing import Any

import botocore.parsers
import pytest

from chalicelib.db.database import Database
from chalicelib.db.models import Jobs, Volume
from chalicelib.errors import DatabaseUnavailable, StoreUnavailable
from tests.integration.conftest import Site
from tests.integration.worker_site import (
    MIB,
    assert_ready,
    assert_volume_exact,
    call,
    generated,
    gets,
    manifest,
    rows,
    staged_path,
    until,
    volume,
)
from workers.staging.stage import Stager

FILES = generated(3, 2000)


@pytest.fixture
def site(site_of: Callable[..., Site]) -> Site:
    """Its workers pause only shortly after a receive that failed."""
    return site_of({"consumer": {"receive_pause": 0.05}, "unreadable_delay": 0.1})


def test_whatever_receiving_raises_a_worker_goes_on_receiving(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = site.start_worker()
    queue = worker.system.queue
    receive, tried = queue.receive, itertools.count()

    def garbled(*given: Any) -> Any:
        if next(tried) < 4:
            raise KeyError("Messages")
        return receive(*given)

    monkeypatch.setattr(queue, "receive", garbled)
    site.system.service.create("", "garbled", manifest(FILES))
    assert_ready(site, "garbled", FILES)
    site.system.service.create("", "again", manifest(FILES))
    assert_ready(site, "again", FILES)
    assert next(tried) > 4


def test_a_queue_that_does_not_wait_for_messages_is_not_asked_without_pause(
    site_of: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_of({"consumer": {"receive_pause": 0.2}})
    worker = site.start_worker()
    asked = list[float]()

    def at_once(*_: Any) -> Any:
        asked.append(time.monotonic())
        return []

    monkeypatch.setattr(worker.system.queue, "receive", at_once)
    site.system.service.create("", "ends-the-long-poll", manifest(FILES))
    until(lambda: asked)
    time.sleep(1)
    assert len(asked) < 8


def test_whatever_a_heartbeat_raises_the_next_one_comes(site_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    site = site_of(LEASE="2")
    worker = site.start_worker()
    renew, beats = worker.system.jobs.renew, list[float]()

    def failing(jobs: Any) -> Any:
        beats.append(time.monotonic())
        if len(beats) == 1:
            raise RuntimeError("something nobody thought of")
        return renew(jobs)

    monkeypatch.setattr(worker.system.jobs, "renew", failing)
    until(lambda: len(beats) >= 3)


def test_no_messages_are_taken_while_the_database_does_not_answer(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    down, received, clock = [False], itertools.count(), site.system.database.clock

    def unavailable(work: Any) -> Any:
        def asked(*given: Any) -> Any:
            if down[0]:
                raise DatabaseUnavailable
            return work(*given)

        return asked

    def counted(*given: Any) -> Any:
        next(received)
        return receive(*given)

    monkeypatch.setattr(Database, "clock", lambda _: unavailable(clock)())
    worker = site.start_worker()
    receive = worker.system.queue.receive
    monkeypatch.setattr(worker.system.jobs, "claim", unavailable(worker.system.jobs.claim))
    monkeypatch.setattr(worker.system.queue, "receive", counted)
    down[0] = True
    site.system.service.create("", "blind", manifest(FILES))
    time.sleep(1.5)
    assert next(received) <= 2
    down[0] = False
    call(site)
    assert_ready(site, "blind", FILES)


def test_an_answer_of_the_store_that_is_none_is_a_fault_of_the_store(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def garbled(**_: Any) -> Any:
        raise botocore.parsers.ResponseParserError("mismatched tag")

    monkeypatch.setattr(site.system.bundles._client, "head_object", garbled)
    with pytest.raises(StoreUnavailable):
        site.system.bundles.find("carts/1/1.tar")


def test_work_waits_while_the_volume_is_read_only(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = site.start_worker()
    volume, tries = worker.volume, list[float]()
    keep = volume.keep

    def read_only(*given: Any) -> None:
        tries.append(time.monotonic())
        if len(tries) < 8:
            raise OSError(errno.EROFS, "Read-only file system")
        keep(*given)

    monkeypatch.setattr(volume, "keep", read_only)
    site.system.service.create("", "waits", manifest(FILES))
    until(lambda: any("Read-only" in said for (said,) in rows(site, Jobs.wait_reason)))
    assert_ready(site, "waits", FILES)


@pytest.mark.parametrize("files", [FILES, generated(2, 6 * MIB)], ids=["one PUT", "parts"])
def test_a_staged_file_on_bad_blocks_is_staged_anew_and_alone(
    site_of: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]
) -> None:
    site = site_of(PART_SIZE="5M", WINDOW_SIZE="5M")
    victim, *_ = files
    bad, preadv, stage = list[int](), os.preadv, Stager.stage

    def staged(*given: Any) -> None:
        stage(*given)
        if not bad and staged_path(site, victim).exists():
            bad.append(staged_path(site, victim).stat().st_ino)

    def reading(descriptor: int, *given: Any) -> int:
        if os.fstat(descriptor).st_ino in bad:
            raise OSError(errno.EIO, "Input/output error")
        return preadv(descriptor, *given)

    monkeypatch.setattr(Stager, "stage", staged)
    monkeypatch.setattr(os, "preadv", reading)
    site.start_worker()
    site.system.service.create("", "bad", manifest(files))
    assert_ready(site, "bad", files)
    assert bad
    assert (gets(site, victim), gets(site)) == (2, len(files) + 1)


def test_a_staged_file_whose_new_hash_cannot_be_read_is_staged_anew(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim, *_ = FILES
    site.start_worker()
    site.system.service.create("", "sha1", manifest(FILES))
    assert_ready(site, "sha1", FILES)
    bad, read = staged_path(site, victim).stat().st_ino, os.read

    def reading(descriptor: int, size: int) -> bytes:
        if os.fstat(descriptor).st_ino == bad:
            raise OSError(errno.EIO, "Input/output error")
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", reading)
    site.system.service.create("", "md5", manifest(FILES, "md5"))
    assert_ready(site, "md5", FILES)
    assert gets(site) == len(FILES) + 1


@pytest.mark.parametrize("folder", ["files", "tmp"])
def test_a_volume_that_somebody_emptied_is_prepared_anew_and_no_cart_fails(site: Site, folder: str) -> None:
    site.start_worker()
    site.system.service.create("", "before", manifest(FILES))
    assert_ready(site, "before", FILES)
    shutil.rmtree(volume(site) / folder)
    more = generated(3, 3000, "more")
    site.system.service.create("", "during", manifest(FILES | more))
    until(lambda: any("is missing from the volume" in said for (said,) in rows(site, Jobs.wait_reason)))
    with site.system.database.session() as db:
        Volume.update(reconciled_at=0).execute(db)
    site.system.service.sweep()
    assert_ready(site, "during", FILES | more)
    assert_volume_exact(site)
