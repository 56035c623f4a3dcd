"""Staged files: shared by all carts, pulled and counted once, staged again if they are missing or have changed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import pytest

from chalicelib.db.models import Jobs
from chalicelib.db.volume_models import StagedFiles, Volume
from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import (
    MTIME_NS,
    assert_nothing_remains,
    assert_ready,
    assert_volume_consistent,
    generated,
    gets,
    manifest,
    rows,
    staged_path,
    temporaries,
    until,
    volume,
    volume_files,
)
from workers.files import volume as workers_volume


def test_a_wrong_hash_of_a_staged_file_leaves_the_volume_consistent(small: Site) -> None:
    files = generated(4, 3000)
    small.start_worker()
    small.system.service.create(ANYONE, "right", manifest(files))
    assert_ready(small, "right", files)
    small.system.service.create(ANYONE, "wrong", manifest(files, wrong=files))
    assert small.wait("wrong").state == "error"
    small.system.service.delete(ANYONE, "right")
    small.system.service.delete(ANYONE, "wrong")
    assert_nothing_remains(small)


def test_a_wrong_and_a_right_hash_of_one_file_at_once_leave_the_volume_consistent(small: Site) -> None:
    """The cart with the right hash pins the file while the other one pulls it again."""
    files = generated(2, 3000)
    small.simulator.control(stall=1, stall_seconds=0.5)
    small.start_worker()
    small.system.service.create(ANYONE, "right", manifest(files))
    small.system.service.create(ANYONE, "wrong", manifest(files, wrong=files))
    assert small.wait("wrong").state == "error"
    assert_ready(small, "right", files)
    small.system.service.delete(ANYONE, "right")
    small.system.service.delete(ANYONE, "wrong")
    assert_nothing_remains(small)


@pytest.mark.parametrize("damage", ["vanished", "rewritten"])
def test_a_damaged_staged_file_is_pulled_again_for_another_hash_and_counted_once(small: Site, damage: str) -> None:
    files = generated(3, 3000)
    victim = list(files)[1]
    small.start_worker()
    small.system.service.create(ANYONE, "first", manifest(files))
    assert_ready(small, "first", files)
    before = staged_path(small, victim).stat()
    staged_path(small, victim).unlink()
    if damage == "rewritten":
        staged_path(small, victim).write_bytes(b"x" * 3000)
        os.utime(staged_path(small, victim), ns=(before.st_atime_ns, before.st_mtime_ns))
    small.simulator.control(fail={victim: {"error": 1}})
    small.system.service.create(ANYONE, "second", manifest(files, "md5"))
    assert_ready(small, "second", files)
    assert_volume_consistent(small)


def test_a_worker_that_takes_over_a_window_removes_the_temporary_files_of_its_predecessor(
    site_of: Callable[..., Site],
) -> None:
    site = site_of(LEASE="2")
    site.simulator.control(latency_ms=1500)
    site.start_worker()
    site.system.service.create(ANYONE, "taken-over", manifest(generated(2, 300_000)))
    until(lambda: temporaries(site))
    abandoned = volume(site) / "tmp" / "1-0-dead"
    abandoned.write_bytes(b"half")
    with site.system.database.session() as db:
        Jobs.update(lease_until=0, next_send_at=0, due_at=0).execute(db)
    site.start_worker()
    site.system.sweep.run()
    until(lambda: not abandoned.exists())


def test_hashes_computed_of_a_staged_file_are_remembered(small: Site) -> None:
    files = generated(3, 3000)
    small.start_worker()
    for hash_name in ("sha1", "md5", "sha256"):
        small.system.service.create(ANYONE, hash_name, manifest(files, hash_name))
        assert_ready(small, hash_name, files)
    small.simulator.reset()
    for hash_name in ("sha1", "md5", "sha256"):
        small.system.service.create(ANYONE, f"{hash_name}-2", manifest(files, hash_name))
        assert_ready(small, f"{hash_name}-2", files)
    assert small.simulator.stats()["totals"] == {"heads": 0, "recalls": 0, "gets": 0, "bytes": 0}


def test_a_file_that_was_replaced_in_the_archive_is_staged_again(small: Site) -> None:
    small.start_worker()
    for number, data in enumerate([b"old", b"new", b"newer, and longer"]):
        small.put("report", data)
        os.utime(small.folder / "archive" / "report", ns=(MTIME_NS + number * 10**9,) * 2)
        small.system.service.create(ANYONE, f"cart-{number}", manifest({"report": data}))
        assert_ready(small, f"cart-{number}", {"report": data})
        small.system.service.create(ANYONE, f"plain-{number}", manifest({"report": data}, ""))
        assert_ready(small, f"plain-{number}", {"report": data})
    assert_volume_consistent(small)


def test_two_workers_pull_a_file_of_two_carts_once(site_of: Callable[..., Site]) -> None:
    site = site_of(JOB_CONCURRENCY="1")
    shared, one, two = generated(30, 2000, "s"), generated(10, 2000, "one"), generated(10, 2000, "two")
    site.simulator.control(latency_ms=20)
    for _ in range(2):
        site.start_worker()
    site.system.service.create(ANYONE, "one", manifest(shared | one))
    site.system.service.create(ANYONE, "two", manifest(two | shared))
    assert_ready(site, "one", shared | one)
    assert_ready(site, "two", shared | two)
    assert gets(site) == 50
    assert_volume_consistent(site)


def test_carts_with_different_hashes_of_the_same_files_pull_them_once(small: Site) -> None:
    files = generated(30, 2000)
    small.simulator.control(latency_ms=20)
    small.start_worker()
    small.start_worker()
    for hash_name in ("sha1", "md5", ""):
        small.system.service.create(ANYONE, f"by-{hash_name}", manifest(files, hash_name))
    for hash_name in ("sha1", "md5", ""):
        assert_ready(small, f"by-{hash_name}", files)
    assert gets(small) == len(files)
    assert_volume_consistent(small)


def test_the_account_never_counts_a_staged_file_twice(small: Site) -> None:
    """If a file vanishes while two carts bundle it, both stage it again."""
    files = generated(4, 3000)
    small.start_worker()
    small.start_worker()
    done = threading.Event()

    def spoil() -> None:
        while not done.wait(0.01):
            for path in volume_files(small):
                path.unlink(missing_ok=True)

    spoiling = threading.Thread(target=spoil)
    spoiling.start()
    for number in range(6):
        small.system.service.create(ANYONE, f"cart-{number}", manifest(files))
    time.sleep(3)
    done.set()
    spoiling.join()
    for number in range(6):
        assert_ready(small, f"cart-{number}", files)
    used, staged = rows(small, Volume.used, Volume.staged)[0]
    until(lambda: all(pins == 0 for (pins,) in rows(small, StagedFiles.pins)))
    assert (used, staged) == (4 * 4096, 4 * 4096)


def test_on_a_network_volume_small_and_large_files_of_many_carts_do_not_deadlock(
    site_of: Callable[..., Site],
) -> None:
    site = site_of(PULL_CONCURRENCY="2")
    site.volume = workers_volume.Volume(volume(site), limit=0, reserve=5.0, is_network=lambda directory: True)
    site.start_worker()
    carts = {
        f"cart-{number}": generated(100, 500, f"s{number}-") | generated(4, 300_000, f"l{number}-")
        for number in range(4)
    }
    for uid, files in carts.items():
        site.system.service.create(ANYONE, uid, manifest(files))
    for uid, files in carts.items():
        assert_ready(site, uid, files, 60)
    assert_volume_consistent(site)
