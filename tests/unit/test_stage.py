"""Staging a window: pulls, follows other pulls, records as it goes, and gives failing files another chance."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from chalicelib.db.states import WaitsFor, WindowState
from chalicelib.errors import LeaseLost
from chalicelib.stores.cart_row import CartState
from tests.doubles.archive import MTIME_NS
from tests.doubles.site import MemorySite, expired
from workers.files.volume import BLOCK
from workers.runtime.lease import Lease, WorkerStopping
from workers.runtime.outcomes import Defer
from workers.staging.file_actions import FileActions
from workers.staging.pull_batch import SMALL
from workers.staging.share_work import SharingPolicy
from workers.staging.staging_run import StagingRecorder, StagingRun

FILES = {"x": b"hello", "y": b"world!"}


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    return MemorySite(tmp_path)


def test_a_staged_window_has_its_files_on_the_volume_and_is_counted(site: MemorySite) -> None:
    cart = site.lay_out("a", FILES)
    site.stage(cart)
    assert site.on_volume() == {"x", "y"}
    assert site.volume.path("x").read_bytes() == b"hello"
    assert (site.used(), site.state_of(cart)) == ((2 * BLOCK, 2 * BLOCK), WindowState.STAGED)
    found = site.cart(cart.id)
    assert (found.files_staged, found.bytes_staged, found.windows_staged) == (2, 11, 1)
    assert found.state == CartState.BUNDLING


def test_a_large_file_is_pulled_in_blocks(site: MemorySite) -> None:
    content = hashlib.shake_128(b"large").digest(SMALL + 1000)
    site.stage(site.lay_out("a", {"large": content}))
    assert site.volume.path("large").read_bytes() == content


def test_a_file_that_another_job_pulls_is_followed_and_not_pulled(site: MemorySite) -> None:
    first = site.reserve(site.lay_out("a", {"x": b"hello"}))
    second = site.lay_out("b", FILES)
    lease, work, actions = site.reserve(second)
    site.stopping.meanwhile = once(lambda: site.stager.stage(*first))
    assert site.stager.stage(lease, work, actions) is None
    assert [asked for asked in site.archive.asked if asked[0] == "GET"] == [("GET", "y"), ("GET", "x")]
    assert (site.state_of(second), site.pins()) == (WindowState.STAGED, {"x": 2, "y": 1})


def test_a_window_is_deferred_when_the_other_job_takes_too_long(site: MemorySite) -> None:
    site.reserve(site.lay_out("a", {"x": b"hello"}))
    cart = site.lay_out("b", FILES)
    lease, work, actions = site.reserve(cart)
    outcome = site.stager.stage(lease, work, actions)
    assert outcome == Defer(1, WaitsFor.TURN, "another job is pulling some of these files")
    assert site.state_of(cart) == WindowState.RESERVED
    assert site.cart(cart.id).files_staged == 1, "what was pulled meanwhile is recorded"
    assert site.archive.count("GET") == 1


def test_a_file_whose_puller_died_is_pulled_by_the_next_claim(site: MemorySite) -> None:
    site.reserve(site.lay_out("a", {"x": b"hello"}))
    cart = site.lay_out("b", {"x": b"hello"})
    lease, work, _ = site.reserve(cart)
    lease = expired(lease, site)  # the first cart's worker has lost its lease, too
    actions = site.reserver.reserve(lease, work)
    assert isinstance(actions, FileActions)
    assert site.stager.stage(lease, work, actions) is None
    assert site.used() == (BLOCK, BLOCK)


def test_what_was_pulled_is_recorded_every_few_seconds(site: MemorySite) -> None:
    cart = site.lay_out("a", {f"f{number}": b"x" for number in range(10)})
    counted: list[int] = []

    def request(archive_id: str) -> None:
        counted.append(site.cart(cart.id).files_staged)
        site.database.advance(1.0)

    lease, work, actions = site.reserve(cart)
    site.archive.on_request = request
    site.stager.stage(lease, work, actions)
    assert counted == [0, 0, 0, 0, 4, 4, 4, 4, 8, 8]
    assert site.cart(cart.id).files_staged == 10


def test_a_crash_costs_no_more_than_what_was_not_recorded(site: MemorySite) -> None:
    cart = site.lay_out("a", {f"f{number}": b"x" for number in range(6)})
    lease, work, actions = site.reserve(cart)

    def request(archive_id: str) -> None:
        site.database.advance(1.0)
        if archive_id == "f5":
            raise ZeroDivisionError

    site.archive.on_request = request
    with pytest.raises(ZeroDivisionError):
        site.stager.stage(lease, work, actions)
    site.archive.on_request = lambda archive_id: None
    lease, work = expired(lease, site), site.work(cart)
    again = site.reserver.reserve(lease, work)
    assert isinstance(again, FileActions)
    assert [spec.archive_id for spec in again.pull] == ["f4", "f5"]
    assert site.stager.stage(lease, work, again) is None
    assert (site.cart(cart.id).files_staged, site.used()) == (6, (6 * BLOCK, 6 * BLOCK))


def test_a_second_hash_name_is_verified_on_the_volume(site: MemorySite) -> None:
    site.stage(site.lay_out("a", {"x": b"hello"}))
    cart = site.lay_out("b", {"x": b"hello"})
    row = site.database.tables.entries[cart.id, 0]
    row.hash_name, row.hash_hex = "md5", hashlib.md5(b"hello").hexdigest()
    site.archive.asked.clear()
    _, _, actions = reservation = site.reserve(cart)
    assert [spec.archive_id for spec in actions.verify] == ["x"]
    assert site.stager.stage(*reservation) is None
    assert site.archive.asked == []
    assert {"md5", "sha1"} < site.world.staged_files.find(["x"])["x"].hashes.keys()
    assert site.used() == (BLOCK, BLOCK)


def test_a_staged_file_that_rotted_is_pulled_again_when_it_is_verified(site: MemorySite) -> None:
    site.stage(site.lay_out("a", {"x": b"hello"}))
    cart = site.lay_out("b", {"x": b"hello"})
    row = site.database.tables.entries[cart.id, 0]
    row.hash_name, row.hash_hex = "md5", hashlib.md5(b"hello").hexdigest()
    overwrite(site, "x", b"hellO")
    site.stage(cart)
    assert site.volume.path("x").read_bytes() == b"hello"


def test_a_worker_whose_lease_was_lost_records_nothing(site: MemorySite) -> None:
    cart = site.lay_out("a", FILES)
    lease, work, actions = site.reserve(cart)
    expired(lease, site)
    with pytest.raises(LeaseLost):
        site.stager.stage(lease, work, actions)
    assert (site.used(), site.cart(cart.id).files_staged) == ((2 * BLOCK, 0), 0)


def test_a_worker_that_drains_stops_between_two_files(site: MemorySite) -> None:
    lease, work, actions = site.reserve(site.lay_out("a", FILES))
    site.archive.on_request = lambda archive_id: site.stopping.set()
    with pytest.raises(WorkerStopping):
        site.stager.stage(lease, work, actions)
    assert site.archive.count("GET") == 1


@pytest.mark.parametrize(("busy", "shared"), [(0.0, True), (1.0, False)])
def test_files_are_shared_when_the_archive_is_slow_and_not_when_this_machine_is(
    tmp_path: Path, busy: float, shared: bool
) -> None:
    site = MemorySite(tmp_path, sharing_policy=SharingPolicy(probed=2, assistants=3))
    cart = site.lay_out("a", {f"f{number}": b"x" for number in range(40)})

    def request(archive_id: str) -> None:
        site.database.advance(0.5)
        site.busy += 0.5 * busy

    reservation = site.reserve(cart)
    site.archive.on_request = request
    assert site.stager.stage(*reservation) is None
    assistants = [message for message, _ in site.queue.sent]
    assert len(assistants) == (3 if shared else 0)
    assert len(site.on_volume()) == 40, "the job does alone what no assistant takes"


def test_files_of_a_cart_of_several_windows_are_not_shared(tmp_path: Path) -> None:
    site = MemorySite(tmp_path, sharing_policy=SharingPolicy(probed=2, assistants=3))
    reservation = site.reserve(site.lay_out("a", {f"f{number}": b"x" for number in range(40)}, FILES))
    site.archive.on_request = lambda archive_id: site.database.advance(0.5)
    assert site.stager.stage(*reservation) is None
    assert site.queue.sent == []


def test_a_window_that_is_recorded_twice_is_counted_once(site: MemorySite) -> None:
    cart, w = site.lay_out("a", FILES, {"z": b"z"}), site.world
    lease, work = site.stage(cart)
    run = StagingRun(lease, work, site.database.now, done=set(FILES))
    StagingRecorder(w.jobs, w.carts, w.entries, w.windows, w.staged_files).record_window(run, site.database.now)
    found = site.cart(cart.id)
    assert (found.files_staged, found.windows_staged, found.state) == (2, 1, CartState.STAGING)


def test_files_that_fell_to_an_assistant_are_followed(tmp_path: Path) -> None:
    site = MemorySite(tmp_path, sharing_policy=SharingPolicy(probed=2))
    cart = site.lay_out("a", {f"f{number}": b"x" for number in range(40)})
    lease, work, actions = site.reserve(cart)

    def request(archive_id: str) -> None:
        site.database.advance(0.2)
        if archive_id == "f5":
            site.archive.on_request = lambda archive_id: None
            assistant = site.world.jobs.claim(site.queue.sent[0][0].job_id, 0)
            assert assistant is not None
            site.assist_handler.run(Lease(assistant, "receipt", site.stopping))

    site.archive.on_request = request
    assert site.stager.stage(lease, work, actions) is None
    assert site.archive.count("GET") == 40, "each file is pulled once"
    assert (site.state_of(cart), site.used()) == (WindowState.STAGED, (40 * BLOCK, 40 * BLOCK))
    assert [job.id for job in site.database.tables.jobs.values()] == [lease.job.id], "no assistant is left"


def once(action: Callable[[], object]) -> Callable[[], None]:
    """Calls `action` the first time only."""
    left = [action]

    def call() -> None:
        if left:
            left.pop()()

    return call


def overwrite(site: MemorySite, name: str, content: bytes) -> None:
    """Change a staged file's bytes but not its size and mtime, as a disk may."""
    site.volume.path(name).write_bytes(content)
    os.utime(site.volume.path(name), ns=(MTIME_NS, MTIME_NS))
