"""DELETE, or another manifest, at any moment: the cart is gone at once, its work stops and leaves nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.aws.bundle_store import BundleStore
from chalicelib.db.models import Jobs
from chalicelib.errors import CartNotFound, StoreUnavailable
from chalicelib.stores.job_row import CleanupPass, JobKind
from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import (
    MIB,
    assert_nothing_remains,
    assert_ready,
    busy,
    generated,
    gets,
    jobs_left,
    manifest,
    rows,
    state,
    until,
    uploads,
)

SMALL = generated(6, 3000)
LARGE = generated(4, 6 * MIB)  # several windows


@pytest.fixture
def quick(site_of: Callable[..., Site]) -> Site:
    return site_of(
        {"workers_stopped_after": 2.0}, LEASE="2", ARCHIVE_READ_TIMEOUT="3", PART_SIZE="5M", WINDOW_SIZE="5M"
    )


def delete(site: Site, uid: str) -> None:
    """Delete the cart; it must be gone at once."""
    site.system.service.delete(ANYONE, uid)
    with pytest.raises(CartNotFound):
        site.system.service.find(ANYONE, uid)
    with pytest.raises(CartNotFound):
        site.system.service.delete(ANYONE, uid)


def test_a_waiting_cart_can_be_deleted(quick: Site) -> None:
    quick.system.service.create(ANYONE, "gone", manifest(SMALL))
    delete(quick, "gone")
    quick.start_worker()
    assert_nothing_remains(quick)
    assert gets(quick) == 0


@pytest.mark.parametrize("files", [SMALL, LARGE], ids=["small", "large"])
def test_a_cart_can_be_deleted_while_the_archive_stalls(quick: Site, files: dict[str, bytes]) -> None:
    quick.simulator.control(fail={name: {"stall": 100} for name in files}, stall_seconds=2)
    quick.start_worker()
    quick.system.service.create(ANYONE, "gone", manifest(files))
    until(lambda: quick.simulator.stats()["faults"].get("stall", 0) >= 2)
    delete(quick, "gone")
    assert uploads(quick) == []
    assert_nothing_remains(quick)


@pytest.mark.parametrize("files", [SMALL, LARGE], ids=["small", "large"])
def test_a_cart_can_be_deleted_while_it_is_uploaded(
    quick: Site, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = blocked(monkeypatch, "put" if files is SMALL else "upload")
    quick.start_worker()
    quick.system.service.create(ANYONE, "gone", manifest(files))
    assert begun.wait(20)
    delete(quick, "gone")
    go_on.set()
    assert_nothing_remains(quick)


def test_a_cart_deleted_while_its_upload_begins_leaves_no_upload(quick: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = blocked(monkeypatch, "begin_upload", after=True)
    quick.start_worker()
    quick.system.service.create(ANYONE, "gone", manifest(LARGE))
    assert begun.wait(20)
    delete(quick, "gone")
    go_on.set()
    assert_nothing_remains(quick)


def test_a_ready_cart_can_be_deleted(quick: Site) -> None:
    quick.start_worker()
    quick.system.service.create(ANYONE, "gone", manifest(SMALL))
    quick.wait("gone")
    delete(quick, "gone")
    assert quick.stored() == []
    assert_nothing_remains(quick)


def test_a_deleted_cart_can_be_posted_again_at_once(quick: Site) -> None:
    quick.simulator.control(stall=1, stall_seconds=1)
    quick.start_worker()
    quick.system.service.create(ANYONE, "again", manifest(SMALL))
    until(lambda: state(quick, "again") == "staging")
    delete(quick, "again")
    quick.simulator.control(stall=0)
    quick.system.service.create(ANYONE, "again", manifest(SMALL))
    assert_ready(quick, "again", SMALL)


def test_another_manifest_replaces_a_cart_at_any_moment(quick: Site) -> None:
    quick.start_worker()
    moments: list[Callable[[], object]] = [
        lambda: gets(quick),
        lambda: uploads(quick) or state(quick, "moving") == "ready",
        lambda: state(quick, "moving") == "ready",
    ]
    for count, reached in enumerate(moments, 1):
        quick.system.service.create(ANYONE, "moving", manifest(generated(count, 6 * MIB)))
        until(reached)
    files = generated(5, 1000, "last")
    quick.system.service.create(ANYONE, "moving", manifest(files))
    assert_ready(quick, "moving", files)
    delete(quick, "moving")
    assert_nothing_remains(quick)


def test_a_clean_up_is_retried_after_the_store_failed(quick: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PUT in flight when the cart is deleted ends after the first pass; only the second can remove its object."""
    put_begun, finish_put = blocked(monkeypatch, "put")
    quick.start_worker()
    quick.system.service.create(ANYONE, "gone", manifest(SMALL))
    assert put_begun.wait(20)
    failing_deletes(monkeypatch, 2)
    delete(quick, "gone")
    until(lambda: (JobKind.CLEANUP, CleanupPass.LAST) in rows(quick, Jobs.kind, Jobs.window))
    finish_put.set()
    until(lambda: not busy(quick) or quick.stored())
    assert_nothing_remains(quick)


def test_a_bundle_put_after_the_clean_up_of_its_cart_is_deleted(quick: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    put_begun, finish_put = blocked(monkeypatch, "put")
    quick.start_worker()
    quick.system.service.create(ANYONE, "gone", manifest(SMALL))
    assert put_begun.wait(10)
    delete(quick, "gone")
    until(lambda: not jobs_left(quick))
    finish_put.set()
    until(lambda: not busy(quick))
    assert quick.stored() == []


def blocked(
    monkeypatch: pytest.MonkeyPatch, method: str, after: bool = False
) -> tuple[threading.Event, threading.Event]:
    """Block every call of this method of the bundle store, before or after its work.

    Returns two events: a call has arrived; set this one to let all calls continue.
    """
    original = getattr(BundleStore, method)
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert go_on.wait(20)

    def blocking(self: BundleStore, *args: Any) -> Any:
        if not after:
            wait()
        result = original(self, *args)
        if after:
            wait()
        return result

    monkeypatch.setattr(BundleStore, method, blocking)
    return begun, go_on


def failing_deletes(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Make the next `times` deletes of the bundle store fail."""
    original = BundleStore.delete_bundle
    failures = iter([StoreUnavailable] * times)

    def delete_bundle(self: BundleStore, *args: Any) -> None:
        for failure in failures:
            raise failure
        original(self, *args)

    monkeypatch.setattr(BundleStore, "delete_bundle", delete_bundle)
