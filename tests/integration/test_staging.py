"""Tape, shared files and space, as staging handles them, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any
from zlib import crc32

import pytest

from chalicelib.db.models import Jobs
from chalicelib.db.volume_models import Recalls, Volume
from chalicelib.errors import ArchiveTimedOut, ArchiveUnavailable
from infra.local.archive_simulator import running_simulator
from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import (
    MIB,
    assert_ready,
    assert_volume_consistent,
    gets,
    manifest,
    manifest_without_hashes,
    put_files,
    rows,
    temporaries,
    until,
    used_bytes,
    volume,
    volume_files,
)
from workers.archive.client import ArchiveClient, Check

TAPE = {"tape": {"shortest_interval": 0.5}, "looks": {"shortest_interval": 0.5}}


def test_files_of_two_carts_are_pulled_once(site: Site) -> None:
    site.start_worker()
    site.start_worker()
    first, second = [f"gen-2000-{n}" for n in range(60)], [f"gen-2000-{n}" for n in range(30, 90)]
    site.system.service.create(ANYONE, "one", manifest_without_hashes(first))
    site.system.service.create(ANYONE, "two", manifest_without_hashes(second))
    assert (site.wait("one").state, site.wait("two").state) == ("ready", "ready")
    assert gets(site) == 90
    assert_volume_consistent(site)


def test_a_file_on_tape_is_recalled_once_for_all_carts(site_of: Callable[..., Site]) -> None:
    names = [f"gen-1000-tape{n}" for n in range(40)]
    with running_simulator(tape=0.5, recall=1.0) as library:
        site = site_of(TAPE, ARCHIVE_INTERFACE_URL=library.url)
        for _ in range(2):
            site.start_worker()
        site.system.service.create(ANYONE, "one", manifest_without_hashes(names))
        site.system.service.create(ANYONE, "two", manifest_without_hashes(names[::-1]))
        assert (site.wait("one").state, site.wait("two").state) == ("ready", "ready")
        recalled = {name: counts["recalls"] for name, counts in library.stats()["ids"].items() if counts["recalls"]}
        assert recalled == {name: 1 for name in names if crc32(name.encode()) < 0.5 * 2**32}
        assert library.stats()["totals"]["gets"] == len(names)
        assert [job_id for (job_id,) in rows(site, Recalls.job_id) if job_id] == [], "all are answered"


@pytest.mark.parametrize("refusal", [ArchiveUnavailable, ArchiveTimedOut])
def test_a_refused_recall_is_repeated_at_the_next_check_but_not_one_that_timed_out(
    site_of: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, refusal: type[ArchiveUnavailable]
) -> None:
    """After a timeout the archive may still be carrying out the recall."""
    errors = iter([refusal("not now")])
    recalls = ArchiveClient.recalls

    def refusing(self: ArchiveClient, archive_ids: Collection[str], check: Check) -> Any:
        for error in errors:
            return iter([(archive_id, error) for archive_id in archive_ids])
        return recalls(self, archive_ids, check)

    monkeypatch.setattr(ArchiveClient, "recalls", refusing)
    with running_simulator(tape=1.0, recall=0.5) as library:
        site = site_of(TAPE, ARCHIVE_INTERFACE_URL=library.url)
        site.start_worker()
        site.system.service.create(ANYONE, "one", manifest_without_hashes(["gen-1000-a"]))
        repeated = refusal is ArchiveUnavailable
        until(lambda: library.stats()["totals"]["heads"] >= 3, 20)
        assert library.stats()["totals"]["recalls"] == (1 if repeated else 0)
        if repeated:
            assert site.wait("one").state == "ready"


def test_a_cart_larger_than_the_volume_becomes_ready(site_of: Callable[..., Site]) -> None:
    site = site_of(VOLUME_LIMIT="24M", VOLUME_RESERVE="0", PART_SIZE="5M", WINDOW_SIZE="6M")
    files = put_files(site, 40, MIB)
    site.start_worker()
    site.start_worker()
    site.system.service.create(ANYONE, "big", manifest(files))
    assert_ready(site, "big", files, 60)
    assert_volume_consistent(site)
    assert used_bytes(site) <= 24 * MIB


def test_many_carts_take_turns_on_a_small_volume(site_of: Callable[..., Site]) -> None:
    site = site_of(VOLUME_LIMIT="6M", VOLUME_RESERVE="0")
    site.start_worker()
    site.start_worker()
    for number in range(8):
        site.system.service.create(ANYONE, f"c{number}", manifest_without_hashes([f"gen-2500000-{number}"]))
    assert {site.wait(f"c{number}", 60).state for number in range(8)} == {"ready"}
    assert_volume_consistent(site)
    assert used_bytes(site) <= 6 * MIB


def test_a_file_larger_than_the_volume_ends_its_cart_with_an_error_that_names_both_sizes(
    site_of: Callable[..., Site],
) -> None:
    site = site_of(VOLUME_LIMIT="1M", VOLUME_RESERVE="0")
    site.start_worker()
    site.system.service.create(ANYONE, "huge", manifest_without_hashes(["gen-3000000-x"]))
    cart = site.wait("huge")
    assert cart.state == "error"
    assert cart.message == "No Space Available: file 'd/gen-3000000-x' (3.0 MB) does not fit the volume (1.0 MB)"


def test_a_hash_of_another_kind_is_computed_from_the_staged_file(site: Site) -> None:
    files = put_files(site, 3, 6400)
    site.start_worker()
    site.system.service.create(ANYONE, "one", manifest(files, "sha1"))
    assert site.wait("one").state == "ready"
    site.simulator.reset()
    site.system.service.create(ANYONE, "two", manifest(files, "md5"))
    assert site.wait("two").state == "ready"
    assert gets(site) == 0
    site.system.service.create(ANYONE, "three", manifest(files, "md5"))
    assert site.wait("three").state == "ready"
    totals = site.simulator.stats()["totals"]
    assert (totals["gets"], totals["heads"]) == (0, 3)  # by the second cart


def test_the_sweep_removes_files_without_rows_and_rows_without_files(site: Site) -> None:
    files = put_files(site, 3, 6400)
    worker = site.start_worker()
    site.system.service.create(ANYONE, "one", manifest(files))
    assert site.wait("one").state == "ready"
    stray = volume(site) / "files" / "00" / ("00" + "e" * 62)
    stray.write_bytes(b"stray")
    (volume(site) / "tmp" / "99-1-abc").write_bytes(b"half")
    worker.volume.path("f0").unlink()
    expected = {worker.volume.path(name).name for name in ("f1", "f2")}
    for _ in range(32):  # each run covers 8 of the 256 directories
        reconcile(site)
        present = {path.name for path in volume_files(site)} | set(temporaries(site))
        if present == expected and used_bytes(site) == 2 * 8192:
            break
    assert present == expected
    assert_volume_consistent(site)


def reconcile(site: Site) -> None:
    """Have the sweep add the job that reconciles the volume, and wait until it is done."""
    with site.system.database.session() as db:
        Volume.update(reconciled_at=0).execute(db)
    site.system.sweep.run()
    until(lambda: not rows(site, Jobs.id))
