"""One window from reservation to stored parts: resumes after a crash, repairs what was lost, ends the cart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib.db.states import WaitsFor, WindowState
from chalicelib.errors import LeaseLost
from chalicelib.stores.cart_row import Cart, CartState
from chalicelib.stores.job_row import JobKind
from tests.doubles.site import MemorySite, expired
from workers.bundling.plan_windows import JOBS_AT_ONCE
from workers.runtime.lease import WorkerStopping
from workers.runtime.outcomes import Done, Park

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
    job = site.world.claimed(waiting.id, JobKind.WINDOW, 0)
    site.database.transaction(lambda: site.world.windows.wait_for_space(waiting.id, 0, 1))
    site.world.jobs.park(job, 600, "the volume is full", 0)
    site.window_handler.run(site.lease(cart))
    assert job.id in [sent.job_id for sent, _ in site.queue.sent]


def test_a_full_volume_defers_the_window(tmp_path: Path) -> None:
    site = MemorySite(tmp_path, limit=8192)
    site.reserve(site.lay_out("other", {"z": b"z" * 8192}))
    cart = site.lay_out("uid", FILES)
    assert site.window_handler.run(site.lease(cart)) == Park(900, WaitsFor.SPACE, "the volume is full", 0)
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
    site.uploader.upload(lease, work)  # then the worker dies, before the window is counted
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
    value = site.uploader.upload(lease, work)

    def count() -> None:
        site.finisher.close_window(work, checksum=f"{value:016x}")
        site.world.carts.count_window_done(work.cart, work.window.length)

    site.world.jobs.progressed(lease.job, count)  # then the worker dies
    assert site.window_handler.run(expired(lease, site)) == Done()
    assert_ready(site, cart, FIRST | SECOND)


def test_a_bundle_that_was_completed_before_a_crash_makes_the_cart_ready(site: MemorySite) -> None:
    cart = site.lay_out("uid", FIRST, SECOND)
    site.window_handler.run(site.lease(cart))
    lease, work = site.stage(cart, 1)
    value = site.uploader.upload(lease, work)
    site.world.jobs.progressed(lease.job, lambda: site.finisher.close_window(work, checksum=f"{value:016x}"))
    site.database.transaction(lambda: site.world.carts.count_window_done(work.cart, work.window.length))
    site.completer.complete(site.cart(cart.id))  # then the worker dies
    assert site.window_handler.run(expired(lease, site)) == Done()
    assert_ready(site, cart, FIRST | SECOND)


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


def test_the_bundle_of_an_earlier_layout_is_removed(site: MemorySite, monkeypatch: pytest.MonkeyPatch) -> None:
    cart = site.lay_out("uid", FILES)
    put = site.bundles.put

    def voiding(*arguments: Any) -> str:
        site.database.transaction(lambda: site.world.carts.void_layout(cart))
        return put(*arguments)

    monkeypatch.setattr(site.bundles, "put", voiding)
    with pytest.raises(LeaseLost):
        site.window_handler.run(site.lease(cart))
    assert site.bundles.objects == {}


def test_windows_become_jobs_up_to_the_number_that_may_be_jobs_at_once(site: MemorySite) -> None:
    active = [WindowState.TAKEN, WindowState.RESERVED, WindowState.STAGED]
    states = [WindowState.DONE, *active, *[WindowState.ONLINE] * (JOBS_AT_ONCE + 1)]
    cart = site.lay_out("uid", *({f"f{number}": b"x"} for number in range(len(states))))
    for number, state in enumerate(states):
        set_state(site, cart, number, state)
    messages = site.database.transaction(lambda: site.planner.fill_jobs(cart.id))
    assert len(messages) == JOBS_AT_ONCE - len(active)
    assert site.database.transaction(lambda: site.planner.fill_jobs(cart.id)) == []


def test_a_worker_that_drains_uploads_nothing(site: MemorySite, monkeypatch: pytest.MonkeyPatch) -> None:
    cart = site.lay_out("uid", FILES)
    lease, _ = site.stage(cart)
    site.stopping.set()
    with pytest.raises(WorkerStopping):
        site.window_handler.run(lease)
    assert site.bundles.objects == {}


def assert_ready(site: MemorySite, cart: Cart, files: dict[str, bytes]) -> None:
    found = site.cart(cart.id)
    assert found.state == CartState.READY
    assert found.bundle_checksum.startswith("crc64nvme=")
    assert site.bundle_members(cart) == {f"uid/{name}": content for name, content in files.items()}
    assert site.database.tables.jobs == {}


def set_state(site: MemorySite, cart: Cart, number: int, state: WindowState) -> None:
    site.database.transaction(lambda: site.world.windows.move(cart.id, number, tuple(WindowState), state))
