"""The volume never holds more than its limit, however many carts compete for it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import psutil
import pytest

from chalicelib.db.volume_models import StagedFiles
from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import (
    MIB,
    assert_nothing_remains,
    assert_ready,
    assert_volume_consistent,
    generated,
    gets,
    manifest,
    rows,
    send_idle_jobs,
    staged_path,
    volume,
    volume_files,
)


@contextmanager
def watched(site: Site) -> Iterator[list[int]]:
    """Samples of the bytes on the volume, every 5 ms.

    A sample counts only files that the previous one saw too: these existed at the same time.
    """
    samples: list[int] = []
    done = threading.Event()

    def sample() -> None:
        before: dict[int, int] = {}
        while not done.wait(0.005):
            now = sizes(site)
            samples.append(sum(min(size, now[inode]) for inode, size in before.items() if inode in now))
            before = now

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()


def sizes(site: Site) -> dict[int, int]:
    """Inode -> bytes on disk, for each file on the volume. Inodes, because a file is renamed when it is complete."""
    sizes: dict[int, int] = {}
    for folder, _, names in os.walk(volume(site)):
        for name in names:
            with suppress(FileNotFoundError):
                status = os.stat(os.path.join(folder, name))
                sizes[status.st_ino] = status.st_blocks * 512
    return sizes


def test_a_file_larger_than_the_volume_ends_its_cart(small: Site) -> None:
    small.start_worker()
    small.system.service.create(ANYONE, "huge", manifest(generated(2, 30 * MIB)))
    cart = small.wait("huge")
    assert cart.state == "error"
    assert cart.message.startswith("No Space Available")
    assert_nothing_remains(small)


def test_a_cart_larger_than_the_volume_becomes_ready(small: Site) -> None:
    files = generated(12, 5 * MIB)
    small.start_worker()
    small.start_worker()
    with watched(small) as samples:
        small.system.service.create(ANYONE, "wide", manifest(files))
        assert_ready(small, "wide", files, 60)
    assert max(samples) <= 19 * MIB
    assert gets(small) == len(files)
    assert_volume_consistent(small)


def test_carts_that_compete_for_the_volume_all_become_ready(small: Site) -> None:
    carts = {f"cart-{number}": generated(3, 5 * MIB, f"{number}-") for number in range(5)}
    small.start_worker()
    small.start_worker()
    with watched(small) as samples:
        for uid, files in carts.items():
            small.system.service.create(ANYONE, uid, manifest(files))
        for uid, files in carts.items():
            assert_ready(small, uid, files, 90)
    assert max(samples) <= 19 * MIB
    assert_volume_consistent(small)


def test_the_least_recently_used_files_are_evicted_first(small: Site) -> None:
    small.start_worker()
    one, two, three = (generated(1, 6 * MIB, name) for name in ("a", "b", "c"))
    for uid, files in {"one": one, "two": two, "three": three, "one-again": one}.items():
        small.system.service.create(ANYONE, uid, manifest(files))
        assert_ready(small, uid, files)
        time.sleep(0.05)
    more = generated(1, 6 * MIB, "d")
    small.system.service.create(ANYONE, "more", manifest(more))
    assert_ready(small, "more", more)
    assert {row[0] for row in rows(small, StagedFiles.archive_id)} == {*one, *three, *more}
    assert_volume_consistent(small)


def test_nothing_is_evicted_within_the_buffer_time(site_of: Callable[..., Site]) -> None:
    site = site_of(VOLUME_LIMIT="8M", PART_SIZE="5M", LRU_BUFFER_TIME="3")
    site.start_worker()
    first, second = generated(1, 5 * MIB, "a"), generated(1, 5 * MIB, "b")
    site.system.service.create(ANYONE, "first", manifest(first))
    assert_ready(site, "first", first)
    ((used_at,),) = rows(site, StagedFiles.used_at)
    site.system.service.create(ANYONE, "second", manifest(second))
    while volume_files(site) == [staged_path(site, *first)]:
        send_idle_jobs(site)  # the waiting window tries again
        time.sleep(0.1)
    assert site.system.database.clock() - used_at >= 3
    assert_ready(site, "second", second)
    assert_volume_consistent(site)


def test_a_cart_of_large_files_becomes_ready_on_a_small_disk(
    site_of: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without VOLUME_LIMIT, the used bytes of the file system include our own pulls."""
    site = site_of(WINDOW_SIZE="11M", PART_SIZE="5M")

    def small_disk(_: str) -> SimpleNamespace:
        return SimpleNamespace(total=44 * MIB, used=sum(sizes(site).values()))

    monkeypatch.setattr(psutil, "disk_usage", small_disk)
    files = generated(9, 10 * MIB)
    for _ in range(2):
        site.start_worker()
    with watched(site) as samples:
        site.system.service.create(ANYONE, "large", manifest(files))
        assert_ready(site, "large", files, 60)
    assert max(samples) <= 0.95 * 44 * MIB
