"""What a window does when files are lost, rot or change, and when the disk is full."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chalicelib.db.states import WaitsFor, WindowState
from chalicelib.errors import EntriesFailed, LayoutChanged, PermanentError, VolumeUnavailable
from chalicelib.stores.cart_row import CartState
from chalicelib.stores.job_row import JobKind
from tests.doubles.archive import MTIME_NS
from tests.doubles.site import MemorySite, expired
from tests.doubles.worker_parts import PART_SIZE
from workers.handlers.relayout import MAX_LAYOUTS
from workers.runtime.outcomes import Defer, Done
from workers.runtime.repairs import Repair
from workers.staging.restage import MOST

FILES = {"x": b"hello", "y": b"world!"}
FIRST, SECOND = {"a": b"A" * 5000, "b": b"B" * 700}, {"c": b"C" * 300}


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    return MemorySite(tmp_path)


def test_a_staged_file_that_is_missing_is_staged_again(site: MemorySite) -> None:
    cart = site.lay_out("uid", FIRST, SECOND)
    lease, _ = site.stage(cart)
    site.volume.path("b").unlink()
    lease = expired(lease, site)
    assert site.window_handler.run(lease) == Defer(0, WaitsFor.RETRY, "b is missing from the volume")
    assert (site.state_of(cart), site.cart(cart.id).windows_staged) == (WindowState.RESERVED, 0)
    assert site.pins() == {"a": 1, "b": 1}
    site.archive.asked.clear()
    assert site.window_handler.run(lease) == Done()
    assert site.archive.asked == [("GET", "b")]
    assert site.used() == (8192 + 4096, 8192 + 4096)


def test_all_files_that_are_missing_are_staged_again_together(site: MemorySite) -> None:
    cart = site.lay_out("uid", FIRST, SECOND)
    lease, _ = site.stage(cart)
    for name in FIRST:
        site.volume.path(name).unlink()
    lease = expired(lease, site)
    assert isinstance(site.window_handler.run(lease), Defer)
    assert site.window_handler.run(lease) == Done()


def test_a_staged_file_that_rotted_is_found_by_the_store_and_staged_again(site: MemorySite) -> None:
    cart = site.lay_out("uid", FIRST, SECOND)
    lease, _ = site.stage(cart)
    site.volume.path("b").write_bytes(b"b" * 700)
    os.utime(site.volume.path("b"), ns=(MTIME_NS, MTIME_NS))
    lease = expired(lease, site)
    why = "files on the volume are not what was verified: b"
    assert site.window_handler.run(lease) == Defer(0, WaitsFor.RETRY, why)
    assert site.history.rows == [(cart.id, "staged again", f"window 0: {why}")]
    assert site.repairs.counts() == {Repair.FILE: 0, Repair.WINDOW: 1, Repair.LAYOUT: 0}
    site.archive.asked.clear()
    assert site.window_handler.run(lease) == Done()
    assert site.archive.asked == [("GET", "b")], "only the file that differs"
    site.window_handler.run(site.lease(cart, JobKind.WINDOW, 1))
    assert site.bundle_members(cart) == {f"uid/{name}": content for name, content in (FIRST | SECOND).items()}


def test_a_cart_whose_files_are_damaged_again_and_again_fails(site: MemorySite) -> None:
    cart = site.lay_out("uid", FIRST, SECOND)
    lease, _ = site.stage(cart)
    site.history.rows += [(cart.id, "staged again", "")] * MOST
    site.volume.path("b").unlink()
    with pytest.raises(PermanentError, match=r"100 times\. The last time, window 0: b is missing from the volume"):
        site.window_handler.run(expired(lease, site))


def test_a_cart_that_expects_other_bytes_of_the_same_file_harms_no_other(site: MemorySite) -> None:
    """It pulls the file again; meanwhile, and until its pins are gone, the file's row has no checksum."""
    cart = site.lay_out("uid", FILES)
    lease, _ = site.stage(cart)
    other = site.lay_out("other", {"x": FILES["x"]})
    site.database.tables.entries[other.id, 0].hash_hex = "0" * 40
    with pytest.raises(EntriesFailed, match="the manifest says 0000"):
        site.window_handler.run(site.lease(other))
    lease = expired(lease, site)
    assert site.window_handler.run(lease) == Defer(0, WaitsFor.RETRY, "files of the window have to be hashed again")
    assert site.state_of(cart) == WindowState.RESERVED
    assert site.window_handler.run(lease) == Done()
    assert site.bundle_members(cart) == {f"uid/{name}": content for name, content in FILES.items()}


def test_a_disk_that_is_full_returns_the_reservation(site: MemorySite, monkeypatch: pytest.MonkeyPatch) -> None:
    cart = site.lay_out("uid", FILES)

    def writing(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(site.volume, "writing", writing)
    with pytest.raises(OSError, match="No space left"):
        site.window_handler.run(site.lease(cart))
    assert (site.state_of(cart), site.used(), site.pins()) == (WindowState.TAKEN, (0, 0), {})
    assert site.on_volume() == set()


@pytest.mark.parametrize(("code", "kept"), [(errno.EROFS, True), (errno.EDQUOT, False)])
def test_other_errors_of_the_disk_keep_the_reservation_unless_it_is_full(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch, code: int, kept: bool
) -> None:
    cart = site.lay_out("uid", FILES)

    def writing(*arguments: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(site.volume, "writing", writing)
    with pytest.raises(VolumeUnavailable if kept else OSError):
        site.window_handler.run(site.lease(cart))
    assert site.state_of(cart) == (WindowState.RESERVED if kept else WindowState.TAKEN)


def test_a_file_that_changed_in_the_archive_has_the_cart_laid_out_again(site: MemorySite) -> None:
    cart = site.lay_out("uid", FIRST, SECOND)
    other = site.lease(cart, JobKind.WINDOW, 1)
    site.archive.files["b"].content = b"a new version"
    lease = site.lease(cart)
    assert site.window_handler.run(lease) == Defer(
        1, WaitsFor.RETRY, "its layout is made again: b has changed in the archive"
    )
    assert site.repairs.counts()[Repair.LAYOUT] == 1
    found = site.cart(cart.id)
    assert (found.attempt, found.windows_total, found.state) == (2, 0, CartState.STAGING)
    assert (site.database.tables.windows, site.bundles.uploads) == ({}, {})
    assert [entry.size for entry in site.world.entries.page(cart.id, 0, 9)] == [None] * 3
    (job,) = site.database.tables.jobs.values()
    assert (job.id, job.kind, job.window) == (lease.job.id, JobKind.RECALL, 0)
    assert site.world.jobs.renew([other.job]) == [other.job], "the other window's worker stops"
    assert (site.used(), site.pins(), site.on_volume()) == ((0, 0), {}, set())


def test_a_cart_whose_files_change_too_often_fails(site: MemorySite) -> None:
    cart = site.lay_out("uid", FILES)
    site.database.tables.carts[cart.id] = replace(cart, attempt=MAX_LAYOUTS)
    site.archive.files["x"].content = b"a new version"
    with pytest.raises(
        PermanentError,
        match=r"faster than they can be staged\. The last of 5 layouts: x has changed",
    ):
        site.window_handler.run(site.lease(cart))


def test_an_upload_that_was_aborted_has_the_cart_laid_out_again(site: MemorySite) -> None:
    cart = site.lay_out("uid", FIRST, SECOND)
    site.bundles.uploads.clear()
    outcome = site.window_handler.run(site.lease(cart))
    assert isinstance(outcome, Defer)
    assert site.cart(cart.id).attempt == 2


def test_a_file_that_rotted_and_is_stored_in_pieces_needs_a_new_upload(site: MemorySite) -> None:
    content = bytes(2 * PART_SIZE)  # two parts
    cart = site.lay_out("uid", {"large": content}, SECOND)
    lease, work = site.stage(cart)
    site.volume.path("large").write_bytes(b"x" + content[1:])
    os.utime(site.volume.path("large"), ns=(MTIME_NS, MTIME_NS))
    with pytest.raises(LayoutChanged):
        site.upload.run(lease, work)
    assert site.state_of(cart) == WindowState.RESERVED, "the file is staged again"


def test_stored_parts_that_do_not_add_up_need_a_new_upload(site: MemorySite) -> None:
    cart = site.lay_out("uid", FIRST, SECOND)
    for number in range(2):
        lease, work = site.stage(cart, number)
        checksum = f"{site.uploader.upload(lease, work):016x}"
        site.database.transaction(partial(site.finisher.close_window, work, checksum=checksum))
    del site.bundles.uploads[cart.upload_id].parts[2]
    with pytest.raises(LayoutChanged):
        site.completer.complete(site.cart(cart.id))
    assert site.bundles.objects == {}
