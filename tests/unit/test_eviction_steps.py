"""Eviction in steps: no lock while the disk works, files that are wanted again meanwhile, and what a crash leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from chalicelib.db.states import FileState, WindowState
from chalicelib.errors import LeaseLost
from chalicelib.stores.job_row import NO_CART, JobKind
from tests.doubles.site import MemorySite, expired
from tests.unit.test_reserve import attempt, blocks, leave_staged
from workers.files.volume import BLOCK
from workers.handlers.evict import EvictHandler
from workers.handlers.reconcile import ReconcileHandler
from workers.runtime.lease import Lease, WorkerStopping
from workers.staging.file_actions import FileActions
from workers.stores.recalls import RecallStore

LIMIT = 4 * BLOCK


class Disk:
    """Calls of the volume that reach the disk, each with whether a transaction was open."""

    def __init__(self, site: MemorySite, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, bool]] = []
        for name in ("look", "remove_staged", "temporaries", "remove_temporaries", "exists", "names", "has"):
            monkeypatch.setattr(site.volume, name, self._watched(site, name, getattr(site.volume, name)))

    def _watched(self, site: MemorySite, name: str, call: Any) -> Any:
        def watched(*arguments: Any) -> Any:
            self.calls.append((name, site.database.in_transaction))
            return call(*arguments)

        return watched


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    """A volume of four blocks."""
    return MemorySite(tmp_path, limit=LIMIT)


def reconciling(site: MemorySite) -> ReconcileHandler:
    world = site.world
    recalls = cast(RecallStore, type("NoRecalls", (), {"delete_abandoned": lambda self, most: 0})())
    return ReconcileHandler(
        world.jobs, world.account, world.staged_files, recalls, world.evicted_files, site.volume, site.releaser
    )


def housekeeping(site: MemorySite, kind: JobKind) -> Lease:
    return Lease(site.world.claimed(NO_CART, kind), "receipt", site.stopping)


def die_while_evicting(site: MemorySite, monkeypatch: pytest.MonkeyPatch, unlinks: int) -> Lease:
    """A worker that marks two files for its window, and dies when it has unlinked some; its lease."""
    leave_staged(site, "first")
    leave_staged(site, "second")
    cart = site.lay_out("dying", blocks("d", 4))
    lease, remove = site.lease(cart), site.volume.remove_staged
    done: list[str] = []

    def die(archive_id: str) -> None:
        if len(done) == unlinks:
            raise KeyboardInterrupt
        done.append(archive_id)
        remove(archive_id)

    with monkeypatch.context() as dying:
        dying.setattr(site.volume, "remove_staged", die)
        with pytest.raises(KeyboardInterrupt):
            site.reserver.reserve(lease, site.work(cart))
    return lease


def test_no_transaction_is_open_while_the_disk_works(site: MemorySite, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_staged(site, "idle")
    disk = Disk(site, monkeypatch)
    older = site.lay_out("a", blocks("x", 4))
    lease, work, _ = site.reserve(older)
    site.reserver.reserve(expired(lease, site), work)
    site.cleanup_handler.run(site.lease(older, JobKind.CLEANUP))
    reconciling(site).run(housekeeping(site, JobKind.RECONCILE))
    assert {name for name, _ in disk.calls} >= {"look", "remove_staged", "temporaries", "names"}
    assert [name for name, locked in disk.calls if locked] == []
    assert site.used() == (0, 0)


@pytest.mark.parametrize("unlinks", [0, 1])
def test_a_dead_workers_eviction_is_finished_by_the_next_claim_of_its_job(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch, unlinks: int
) -> None:
    lease = die_while_evicting(site, monkeypatch, unlinks)
    assert site.used() == (6 * BLOCK, 0), "what is marked is promised to nobody until it is unlinked"
    cart = site.cart(lease.job.cart_id)
    assert isinstance(site.reserver.reserve(expired(lease, site), site.work(cart)), FileActions)
    assert (site.on_volume(), site.used()) == (set(), (4 * BLOCK, 0))


@pytest.mark.parametrize("unlinks", [0, 1])
def test_a_dead_workers_eviction_is_finished_by_the_reconcile_job(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch, unlinks: int
) -> None:
    lease = die_while_evicting(site, monkeypatch, unlinks)
    reconciling(site).run(housekeeping(site, JobKind.RECONCILE))
    assert site.used() == (6 * BLOCK, 0), "its lease is not over"
    site.database.advance(3600)
    reconciling(site).run(housekeeping(site, JobKind.RECONCILE))
    assert (site.on_volume(), site.used()) == (set(), (4 * BLOCK, 0))
    assert site.state_of(site.cart(lease.job.cart_id)) == WindowState.RESERVED


def test_a_worker_that_drains_leaves_the_rest_of_its_eviction_to_the_next(site: MemorySite) -> None:
    leave_staged(site, "idle")
    cart = site.lay_out("a", blocks("x", 4))
    lease, work = site.lease(cart), site.work(cart)
    site.world.jobs.fenced(lease.job, lambda: site.evictor.mark(lease.job.id, 1, ()))
    site.stopping.set()
    with pytest.raises(WorkerStopping):
        site.reserver.reserve(lease, work)
    site.stopping.clear()
    assert isinstance(site.reserver.reserve(lease, work), FileActions)
    assert site.on_volume() == set()


def test_a_file_wanted_again_while_it_is_unlinked_is_pulled_when_the_other_has_let_go(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_staged(site, "wanted")
    wanting = site.lay_out("wanting", {"wanted": b"wanted"})
    remove, found = site.volume.remove_staged, []

    def want(archive_id: str) -> None:
        found.append(site.reserve(wanting))
        remove(archive_id)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(site.volume, "remove_staged", want)
        attempt(site, site.lay_out("full", blocks("f", 4)))
    ((lease, work, actions),) = found
    assert [spec.archive_id for spec in actions.wait] == ["wanted"], "its file may go at any moment"
    row = site.database.tables.staged_files["wanted"].file
    assert (row.state, row.puller, row.pins) == (FileState.PULLING, 0, 1)
    actions = cast(FileActions, site.reserver.reserve(expired(lease, site), work))
    assert [spec.archive_id for spec in actions.pull] == ["wanted"]
    assert site.pins()["wanted"] == 1
    assert site.used() == (BLOCK * len(site.pins()), 0), "it is charged once"


def test_a_younger_cart_does_not_take_what_an_older_one_is_evicting(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second", "third"):
        leave_staged(site, name)
    older, younger = site.lay_out("older", blocks("o", 4)), site.lay_out("younger", blocks("y", 1))
    remove = site.volume.remove_staged
    tried: list[object] = []

    def try_younger(archive_id: str) -> None:
        remove(archive_id)
        tried.append(attempt(site, younger) if not tried else None)

    monkeypatch.setattr(site.volume, "remove_staged", try_younger)
    assert isinstance(attempt(site, older), FileActions)
    assert not isinstance(tried[0], FileActions)


def test_what_a_window_had_not_recorded_is_removed_from_the_disk_when_it_is_returned(site: MemorySite) -> None:
    cart = site.lay_out("a", {"x": b"x", "y": b"y"})
    lease, work, actions = site.reserve(cart)
    assert len(list(site.puller.pull(lease, actions.pull[:1]))) == 1
    assert len(site.on_volume()) == 1
    site.world.jobs.fenced(lease.job, lambda: site.releaser.return_window(lease, work))
    assert site.used() == (2 * BLOCK, 0)
    site.releaser.settle(lease)
    assert (site.on_volume(), site.used()) == (set(), (0, 0))


def test_chosen_files_are_evicted_and_others_stay(site: MemorySite) -> None:
    leave_staged(site, "chosen")
    leave_staged(site, "other")
    rows = site.database.tables.staged_files
    rows["chosen"] = type(rows["chosen"])(rows["chosen"].file, used_at=-1.0)
    handler = EvictHandler(site.world.jobs, site.world.account, site.evictor, site.releaser)
    handler.run(housekeeping(site, JobKind.EVICT))
    assert (site.on_volume(), site.used()) == ({"other"}, (BLOCK, BLOCK))


def test_an_eviction_whose_lease_was_lost_forgets_nothing(site: MemorySite) -> None:
    leave_staged(site, "idle")
    lease = site.lease(site.lay_out("a", blocks("x", 4)))
    site.world.jobs.fenced(lease.job, lambda: site.evictor.mark(lease.job.id, 1, ()))
    site.database.advance(3600)
    with pytest.raises(LeaseLost):
        site.evictor.clear(lease)
    assert site.used() == (BLOCK, 0)


def test_windows_that_evict_at_the_same_time_each_evict_for_themselves(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second", "third", "last"):
        site.database.advance(1)
        leave_staged(site, name)
    younger = site.lay_out("younger", blocks("y", 1))
    remove = site.volume.remove_staged
    meanwhile: list[str] = []

    def evict_too(archive_id: str) -> None:
        if not meanwhile:
            meanwhile.append(archive_id)
            assert isinstance(attempt(site, younger), FileActions)
            assert site.on_volume() == {"first", "third", "last"}, "what it waits for is gone, the other's is not"
        remove(archive_id)

    monkeypatch.setattr(site.volume, "remove_staged", evict_too)
    assert isinstance(attempt(site, site.lay_out("older", blocks("o", 1))), FileActions)
    assert (site.on_volume(), site.used()) == ({"third", "last"}, (4 * BLOCK, 2 * BLOCK))


def test_what_was_removed_just_after_the_look_does_not_fail_a_window(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_staged(site, "idle")
    evicting, looks = housekeeping(site, JobKind.EVICT), list[int]()
    site.database.transaction(lambda: site.evictor.mark(evicting.job.id, BLOCK, ()))

    def usable(*_: object) -> int:
        looks.append(1)
        site.evictor.clear(evicting)
        return LIMIT if len(looks) > 1 else BLOCK  # in the first look, what is being evicted counts as others'

    monkeypatch.setattr(site.volume, "usable", usable)
    assert isinstance(attempt(site, site.lay_out("new", blocks("n", 4))), FileActions)
