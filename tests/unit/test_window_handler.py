"""One window from reservation to stored parts: resumes after a crash, repairs what was lost, ends the cart."""

from __future__ import annotations

import errno
import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from chalicelib.aws.bundle_store import key_of
from chalicelib.errors import LeaseLost, PermanentError, VolumeUnavailable
from chalicelib.stores.carts import Cart, CartState
from chalicelib.stores.jobs import JobKind
from tests.doubles.site import MTIME_NS, MemorySite, expired
from workers.handlers.relayout import MAX_LAYOUTS
from workers.runtime.lease import WorkerStopping
from workers.runtime.outcomes import Defer, Done
from workers.stores.windows import WindowState

FILES = {"x": b"hello", "y": b"world!"}
FIRST, SECOND = {"a": b"A" * 5000, "b": b"B" * 700}, {"c": b"C" * 300}


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    return MemorySite(tmp_path)


def test_a_cart_of_one_window_is_put_whole_and_ready(site: MemorySite) -> None:
    cart = site.lay_out("uid", FILES)
    assert site.window_handler.run(site.lease(cart)) == Done()
    assert_ready(site, cart, FILES)
    assert site.bundles.uploads == {}


def test_a_window_that_is_not_the_last_is_uploaded_and_the_next_becomes_a_job(site: MemorySite) -> None:
    cart = site.lay_out("uid", FIRST, SECOND)
    set_state(site, cart, 1, WindowState.ONLINE)
    lease = site.lease(cart)
    assert site.window_handler.run(lease) == Done()
    assert (site.state_of(cart, 0), site.state_of(cart, 1)) == (WindowState.DONE, WindowState.TAKEN)
    (job,) = site.database.tables.jobs.values()
    assert (job.kind, job.window) == (JobKind.WINDOW, 1)
    assert [message.job_id for message, _ in site.queue.sent] == [job.id]
    assert site.bundles.objects == {}
    assert (site.cart(cart.id).windows_done, site.cart(cart.id).state) == (1, CartState.STAGING)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_last_window_in_any_order_completes_the_bundle(site: MemorySite, order: tuple[int, int]) -> None:
    cart = site.lay_out("uid", FIRST, SECOND)
    for number in order:
        assert site.window_handler.run(site.lease(cart, JobKind.WINDOW, number)) == Done()
    assert_ready(site, cart, FIRST | SECOND)
    assert site.cart(cart.id).bundle_etag.endswith("-2")


def test_a_done_window_releases_its_files_for_other_carts(site: MemorySite) -> None:
    cart = site.lay_out("uid", FILES)
    site.window_handler.run(site.lease(cart))
    assert site.pins() == {"x": 0, "y": 0}
    assert site.on_volume() == {"x", "y"}


def test_windows_that_wait_for_space_are_woken_when_a_window_is_done(site: MemorySite) -> None:
    cart, waiting = site.lay_out("uid", FIRST, SECOND), site.lay_out("waiting", {"z": b"z"})
    message = site.world.job(waiting.id, JobKind.WINDOW, 0)
    site.world.windows.wait_for_space(waiting.id, 0)
    site.window_handler.run(site.lease(cart))
    assert message in [sent for sent, _ in site.queue.sent]


def test_a_full_volume_defers_the_window(tmp_path: Path) -> None:
    site = MemorySite(tmp_path, limit=8192)
    site.reserve(site.lay_out("other", {"z": b"z" * 8192}))
    cart = site.lay_out("uid", FILES)
    assert site.window_handler.run(site.lease(cart)) == Defer(5, "the volume is full")
    assert site.state_of(cart) == WindowState.TAKEN


def test_a_staged_window_is_uploaded_without_asking_the_archive(site: MemorySite) -> None:
    cart = site.lay_out("uid", FILES)
    lease, _ = site.stage(cart)
    site.archive.asked.clear()
    assert site.window_handler.run(expired(lease, site)) == Done()
    assert site.archive.asked == []
    assert_ready(site, cart, FILES)


def test_a_part_the_store_has_is_not_uploaded_again(site: MemorySite, monkeypatch: pytest.MonkeyPatch) -> None:
    cart = site.lay_out("uid", FIRST, SECOND)
    lease, work = site.stage(cart)
    site.upload._uploader.upload(lease, work)  # then the worker dies, before the window is counted
    sent: list[int] = []
    upload = site.bundles.upload

    def counting(key: str, upload_id: str, number: int, *rest: Any) -> None:
        sent.append(number)
        upload(key, upload_id, number, *rest)

    monkeypatch.setattr(site.bundles, "upload", counting)
    assert site.window_handler.run(expired(lease, site)) == Done()
    assert sent == []
    site.window_handler.run(site.lease(cart, JobKind.WINDOW, 1))
    assert sent == [2]
    assert_ready(site, cart, FIRST | SECOND)


def test_a_window_that_was_counted_before_a_crash_completes_the_bundle(site: MemorySite) -> None:
    cart = site.lay_out("uid", FIRST, SECOND)
    site.window_handler.run(site.lease(cart))
    lease, work = site.stage(cart, 1)
    value = site.upload._uploader.upload(lease, work)

    def count() -> None:
        site.upload._finisher.close_window(work, checksum=f"{value:016x}")
        site.world.carts.window_done(work.cart, work.window.length)

    site.world.jobs.progressed(lease.job, count)  # then the worker dies
    assert site.window_handler.run(expired(lease, site)) == Done()
    assert_ready(site, cart, FIRST | SECOND)


def test_a_bundle_that_was_completed_before_a_crash_makes_the_cart_ready(site: MemorySite) -> None:
    cart = site.lay_out("uid", FIRST, SECOND)
    site.window_handler.run(site.lease(cart))
    lease, work = site.stage(cart, 1)
    value = site.upload._uploader.upload(lease, work)
    site.world.jobs.progressed(lease.job, lambda: site.upload._finisher.close_window(work, checksum=f"{value:016x}"))
    site.database.transaction(lambda: site.world.carts.window_done(work.cart, work.window.length))
    site.upload._completer.complete(site.cart(cart.id))  # then the worker dies
    assert site.window_handler.run(expired(lease, site)) == Done()
    assert_ready(site, cart, FIRST | SECOND)


def test_a_staged_file_that_is_missing_is_staged_again(site: MemorySite) -> None:
    cart = site.lay_out("uid", FIRST, SECOND)
    lease, _ = site.stage(cart)
    site.volume.path("b").unlink()
    lease = expired(lease, site)
    assert site.window_handler.run(lease) == Defer(0, "b is not on the volume any more")
    assert (site.state_of(cart), site.cart(cart.id).windows_staged) == (WindowState.RESERVED, 0)
    site.archive.asked.clear()
    assert site.window_handler.run(lease) == Done()
    assert site.archive.asked == [("GET", "b")]
    assert site.used() == (8192 + 4096, 8192 + 4096)


def test_a_staged_file_that_rotted_is_found_by_the_store_and_staged_again(site: MemorySite) -> None:
    cart = site.lay_out("uid", FIRST, SECOND)
    lease, _ = site.stage(cart)
    site.volume.path("b").write_bytes(b"b" * 700)
    os.utime(site.volume.path("b"), ns=(MTIME_NS, MTIME_NS))
    lease = expired(lease, site)
    assert site.window_handler.run(lease) == Defer(0, "files on the volume are not what was verified")
    site.archive.asked.clear()
    assert site.window_handler.run(lease) == Done()
    assert site.archive.asked == [("GET", "b")], "only the file that differs"
    site.window_handler.run(site.lease(cart, JobKind.WINDOW, 1))
    assert_ready(site, cart, FIRST | SECOND)


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
    assert site.window_handler.run(lease) == Defer(1, "files in the archive are no longer those of the layout")
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
    tables = site.database.tables
    tables.carts[cart.id] = Cart(**{**fields(site.cart(cart.id)), "attempt": MAX_LAYOUTS})
    site.archive.files["x"].content = b"a new version"
    with pytest.raises(PermanentError, match="change in the archive faster than they can be staged"):
        site.window_handler.run(site.lease(cart))


def test_an_upload_that_was_aborted_has_the_cart_laid_out_again(site: MemorySite) -> None:
    cart = site.lay_out("uid", FIRST, SECOND)
    site.bundles.uploads.clear()
    outcome = site.window_handler.run(site.lease(cart))
    assert isinstance(outcome, Defer)
    assert site.cart(cart.id).attempt == 2


def test_a_job_whose_window_is_gone_stops(site: MemorySite) -> None:
    cart = site.lay_out("uid", FILES)
    lease = site.lease(cart, JobKind.WINDOW, 5)
    with pytest.raises(LeaseLost):
        site.window_handler.run(lease)


def test_the_bundle_of_a_cart_that_was_deleted_meanwhile_is_removed(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    cart = site.lay_out("uid", FILES)
    put = site.bundles.put

    def deleting(*arguments: Any) -> str:
        site.database.transaction(lambda: site.world.endings.retire(cart.id))
        return put(*arguments)

    monkeypatch.setattr(site.bundles, "put", deleting)
    with pytest.raises(LeaseLost):
        site.window_handler.run(site.lease(cart))
    assert site.bundles.objects == {}


def test_a_worker_that_drains_uploads_nothing(site: MemorySite, monkeypatch: pytest.MonkeyPatch) -> None:
    cart = site.lay_out("uid", FILES)
    lease, _ = site.stage(cart)
    site.stopping.set()
    with pytest.raises(WorkerStopping):
        site.window_handler.run(lease)
    assert site.bundles.objects == {}


def assert_ready(site: MemorySite, cart: Cart, files: dict[str, bytes]) -> None:
    found = site.cart(cart.id)
    bundle = site.bundles.objects[key_of(cart.id, found.attempt)]
    assert (found.state, found.bundle_size) == (CartState.READY, len(bundle))
    assert found.bundle_checksum.startswith("crc64nvme=")
    with tarfile.open(fileobj=io.BytesIO(bundle)) as tar:
        members = {item.name: tar.extractfile(item).read() for item in tar if item.isfile()}  # type: ignore[union-attr]
    assert members == {f"uid/{name}": content for name, content in files.items()}
    assert site.database.tables.jobs == {}


def set_state(site: MemorySite, cart: Cart, number: int, state: WindowState) -> None:
    site.database.transaction(lambda: site.world.windows.move(cart.id, number, tuple(WindowState), state))


def fields(cart: Cart) -> dict[str, Any]:
    return {name: getattr(cart, name) for name in Cart.__dataclass_fields__}
