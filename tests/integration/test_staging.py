"""Tape, shared files, space: what staging promises, on both databases."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection
from typing import Any
from zlib import crc32

import pytest

from chalicelib.db.models import Recalls, StagedFiles, Volume
from chalicelib.errors import ArchiveTimedOut, ArchiveUnavailable
from infra.local.archive_simulator import running_simulator
from tests.integration.conftest import Site
from tests.integration.test_cart import manifest, members
from tests.integration.worker_site import until
from workers.archive.client import ArchiveClient, Check
from workers.files.volume import charge


def synthetic(names: list[str], root: str = "d") -> bytes:
    """A manifest of the simulator's made up files, without hashes."""
    return json.dumps({"fileids": [{"id": name, "path": f"{root}/{name}"} for name in names]}).encode()


def made(site: Site, count: int, size: int) -> dict[str, bytes]:
    files = {f"f{number}": hashlib.sha256(str(number).encode()).digest() * (size // 32) for number in range(count)}
    for name, content in files.items():
        site.put(name, content)
    return files


def accounts(site: Site) -> tuple[int, int, int]:
    """Bytes used and staged as the account has them, and as the rows say."""
    with site.system.database.session() as db:
        used, staged = Volume.select(Volume.used, Volume.staged).tuples().first(db)
        rows = list(StagedFiles.select(StagedFiles.size, StagedFiles.state, StagedFiles.pins).tuples().execute(db))
    assert all(pins == 0 for _, _, pins in rows)
    assert staged == sum(charge(size) for size, state, _ in rows if state == "staged")
    return used, staged, sum(charge(size) for size, _, _ in rows)


def test_two_carts_pull_what_they_share_once(site: Site) -> None:
    site.start_worker()
    site.start_worker()
    first, second = [f"gen-2000-{n}" for n in range(60)], [f"gen-2000-{n}" for n in range(30, 90)]
    site.system.service.create("", "one", synthetic(first))
    site.system.service.create("", "two", synthetic(second))
    assert (site.wait("one").state, site.wait("two").state) == ("ready", "ready")
    assert site.simulator.stats()["totals"]["gets"] == 90
    used, staged, rows = accounts(site)
    assert used == staged == rows


def test_files_on_tape_are_recalled_once_whoever_wants_them(site_of: Callable[..., Site]) -> None:
    names = [f"gen-1000-tape{n}" for n in range(40)]
    with running_simulator(tape=0.5, recall=2.0) as library:
        site = site_of(ARCHIVE_INTERFACE_URL=library.url)
        for _ in range(2):
            site.start_worker()
        site.system.service.create("", "one", synthetic(names))
        site.system.service.create("", "two", synthetic(names[::-1]))
        assert (site.wait("one").state, site.wait("two").state) == ("ready", "ready")
        asked = {name: counts["recalls"] for name, counts in library.stats()["ids"].items() if counts["recalls"]}
        assert asked == {name: 1 for name in names if crc32(name.encode()) < 0.5 * 2**32}
        assert library.stats()["totals"]["gets"] == len(names)
        assert recalls(site) == 0


@pytest.mark.parametrize("refusal", [ArchiveUnavailable, ArchiveTimedOut])
def test_a_recall_the_archive_did_not_take_is_asked_for_again_at_the_next_look(
    site_of: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, refusal: type[ArchiveUnavailable]
) -> None:
    """Only one it refused: it may have taken one it did not answer in time."""
    refused = iter([refusal("not now")])
    recalls = ArchiveClient.recalls

    def refusing(self: ArchiveClient, archive_ids: Collection[str], check: Check) -> Any:
        for error in refused:
            return iter([(archive_id, error) for archive_id in archive_ids])
        return recalls(self, archive_ids, check)

    monkeypatch.setattr(ArchiveClient, "recalls", refusing)
    with running_simulator(tape=1.0, recall=0.5) as library:
        site = site_of(ARCHIVE_INTERFACE_URL=library.url)
        site.start_worker()
        site.system.service.create("", "one", synthetic(["gen-1000-a"]))
        taken = refusal is ArchiveUnavailable
        until(lambda: library.stats()["totals"]["heads"] >= 3, 20)
        assert library.stats()["totals"]["recalls"] == (1 if taken else 0)
        if taken:
            assert site.wait("one").state == "ready"


def test_a_cart_larger_than_the_volume_is_made(site_of: Callable[..., Site]) -> None:
    site = site_of(VOLUME_LIMIT="24M", VOLUME_RESERVE="0", PART_SIZE="5M", WINDOW_SIZE="6M")
    files = made(site, 40, 1 << 20)
    site.start_worker()
    site.start_worker()
    site.system.service.create("", "big", manifest(files))
    cart = site.wait("big", 60)
    assert (cart.state, cart.message) == ("ready", "")
    assert members(site.bundle("big")) == {f"big/d/{name}": content for name, content in files.items()}
    used, staged, rows = accounts(site)
    assert used == staged == rows <= 24 << 20


def test_many_carts_take_turns_on_a_small_volume(site_of: Callable[..., Site]) -> None:
    site = site_of(VOLUME_LIMIT="6M", VOLUME_RESERVE="0")
    site.start_worker()
    site.start_worker()
    for number in range(8):
        site.system.service.create("", f"c{number}", synthetic([f"gen-2500000-{number}"]))
    assert {site.wait(f"c{number}", 60).state for number in range(8)} == {"ready"}
    assert accounts(site)[0] <= 6 << 20


def test_a_file_larger_than_the_volume_ends_in_an_error_with_the_figures(site_of: Callable[..., Site]) -> None:
    site = site_of(VOLUME_LIMIT="1M", VOLUME_RESERVE="0")
    site.start_worker()
    site.system.service.create("", "huge", synthetic(["gen-3000000-x"]))
    cart = site.wait("huge")
    assert cart.state == "error"
    assert cart.message.startswith("No Space Available: 3002368 bytes are needed at once, the volume can hold 1048576")


def test_a_second_hash_name_is_checked_on_the_volume(site: Site) -> None:
    files = made(site, 3, 6400)
    site.start_worker()
    site.system.service.create("", "one", manifest(files, "sha1"))
    assert site.wait("one").state == "ready"
    site.simulator.reset()
    site.system.service.create("", "two", manifest(files, "md5"))
    assert site.wait("two").state == "ready"
    assert site.simulator.stats()["totals"]["gets"] == 0
    site.system.service.create("", "three", manifest(files, "md5"))
    assert site.wait("three").state == "ready"
    totals = site.simulator.stats()["totals"]
    assert (totals["gets"], totals["heads"]) == (0, 3)  # those of the second cart


def test_the_sweep_has_strays_removed_and_lost_files_forgotten(site: Site) -> None:
    files = made(site, 3, 6400)
    worker = site.start_worker()
    site.system.service.create("", "one", manifest(files))
    assert site.wait("one").state == "ready"
    root = site.folder / "volume"
    stray = root / "files" / "00" / ("00" + "e" * 62)
    stray.write_bytes(b"stray")
    (root / "tmp" / "99-1-abc").write_bytes(b"half")
    worker.volume.path("f0").unlink()
    for _ in range(32):
        with site.system.database.session() as db:
            Volume.update(reconciled_at=0).execute(db)
        site.system.service.sweep()
        time.sleep(0.15)
        left = {path.name for path in (root / "files").rglob("*") if path.is_file()} | {
            path.name for path in (root / "tmp").iterdir()
        }
        if left == {worker.volume.path(name).name for name in ("f1", "f2")} and accounts(site)[0] == 2 * 8192:
            break
    assert accounts(site) == (2 * 8192, 2 * 8192, 2 * 8192)
    assert not stray.exists()


def recalls(site: Site) -> int:
    with site.system.database.session() as db:
        return Recalls.select().count(db)
