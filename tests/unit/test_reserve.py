"""Reserving space: the oldest cart first, by eviction where that is allowed, whole windows or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.db.states import WaitsFor, WindowState
from chalicelib.errors import LeaseLost, NoSpaceAvailable
from chalicelib.stores.cart_row import Cart
from tests.doubles.site import MemorySite, expired
from workers.files.volume import BLOCK
from workers.runtime.lease import WorkerStopping
from workers.runtime.outcomes import Defer, Park
from workers.staging import eviction
from workers.staging.file_actions import FileActions
from workers.staging.free_space import Room
from workers.staging.window_work import WindowWork

LIMIT = 4 * BLOCK


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    """A volume of four blocks."""
    return MemorySite(tmp_path, limit=LIMIT)


def test_a_window_is_reserved_whole_before_any_file_is_pulled(site: MemorySite) -> None:
    cart = site.lay_out("a", {"x": b"x", "y": b"y" * (BLOCK + 1)})
    _, work, actions = site.reserve(cart)
    assert [spec.archive_id for spec in actions.pull] == ["x", "y"]
    assert (site.used(), site.pins()) == ((3 * BLOCK, 0), {"x": 1, "y": 1})
    assert work.window.state == WindowState.RESERVED
    assert site.archive.asked == []


def test_a_file_that_two_carts_need_is_charged_once_and_pinned_twice(site: MemorySite) -> None:
    site.reserve(site.lay_out("a", {"x": b"x"}))
    _, _, actions = site.reserve(site.lay_out("b", {"x": b"x"}))
    assert [spec.archive_id for spec in actions.wait] == ["x"]
    assert (site.used(), site.pins()) == ((BLOCK, 0), {"x": 2})


def test_a_staged_file_is_ready_and_costs_nothing(site: MemorySite) -> None:
    site.stage(site.lay_out("a", {"x": b"x"}))
    _, _, actions = site.reserve(site.lay_out("b", {"x": b"x"}))
    assert actions == FileActions(ready=actions.ready)
    assert (site.used(), site.pins()) == ((BLOCK, BLOCK), {"x": 2})


def test_a_window_that_does_not_fit_waits_for_space(site: MemorySite) -> None:
    site.reserve(site.lay_out("a", blocks("x", 3)))
    second = site.lay_out("b", blocks("y", 2))
    outcome = attempt(site, second)
    assert isinstance(outcome, Park)
    assert (outcome.delay, outcome.reason) == (900, "the volume is full")
    assert (site.used(), site.state_of(second)) == ((3 * BLOCK, 0), WindowState.TAKEN)
    assert [window.cart_id for window in site.world.waiting.for_space(9)] == [second.id]


def test_a_newer_cart_waits_behind_an_older_one_even_where_it_would_fit(site: MemorySite) -> None:
    older, newer = site.lay_out("a", blocks("x", 2)), site.lay_out("b", blocks("y", 1))
    site.reserve(site.lay_out("c", blocks("z", 3)))
    assert isinstance(attempt(site, older), Park)
    assert isinstance(attempt(site, newer), Park)
    assert site.used() == (3 * BLOCK, 0)


def test_the_oldest_cart_goes_first_when_space_is_freed(site: MemorySite) -> None:
    older, newer = site.lay_out("a", blocks("x", 2)), site.lay_out("b", blocks("y", 2))
    lease, work, _ = site.reserve(site.lay_out("c", blocks("z", 3)))
    assert isinstance(attempt(site, newer), Park)
    assert isinstance(attempt(site, older), Park)
    site.world.jobs.fenced(lease.job, lambda: site.releaser.return_window(lease, work))
    site.releaser.settle(lease)
    assert [message.group for message, _ in site.queue.sent] == [f"cart-{older.id}", f"cart-{newer.id}"]
    assert isinstance(attempt(site, newer), Park), "the older cart still waits"
    assert isinstance(attempt(site, older), FileActions)
    assert isinstance(attempt(site, newer), FileActions), "both fit, and nobody waits before it any more"


def test_a_window_that_only_needs_staged_files_never_waits(site: MemorySite) -> None:
    site.stage(site.lay_out("a", blocks("x", 4)))
    waiting = site.lay_out("b", blocks("y", 1))
    assert isinstance(attempt(site, waiting), Park)
    assert isinstance(attempt(site, site.lay_out("c", {"x0": b"0" * BLOCK})), FileActions)


def test_the_least_recently_used_files_are_evicted_and_no_more_than_needed(site: MemorySite) -> None:
    for name in ("first", "second", "third", "last"):
        site.database.advance(10)
        leave_staged(site, name)
    assert isinstance(attempt(site, site.lay_out("new", blocks("n", 2))), FileActions)
    assert site.on_volume() == {"third", "last"}
    assert site.used() == (4 * BLOCK, 2 * BLOCK)


def test_eviction_goes_on_batch_by_batch_until_the_window_fits(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eviction, "MARKED", 1)
    monkeypatch.setattr(eviction, "BATCH", 1)
    for name in ("first", "second", "third", "last"):
        leave_staged(site, name)
    assert isinstance(attempt(site, site.lay_out("new", blocks("n", 3))), FileActions)
    assert len(site.on_volume()) == 1


def test_a_pinned_file_is_never_evicted(site: MemorySite) -> None:
    site.stage(site.lay_out("a", {"pinned": b"p"}))
    leave_staged(site, "idle")
    assert isinstance(attempt(site, site.lay_out("new", blocks("n", 4))), Park)
    assert site.on_volume() == {"pinned"}


def test_a_recently_used_file_is_not_evicted_and_the_window_waits(tmp_path: Path) -> None:
    site = MemorySite(tmp_path, limit=LIMIT, unused_for=60)
    leave_staged(site, "recent")
    cart = site.lay_out("new", blocks("n", 4))
    assert attempt(site, cart) == Defer(60.1, WaitsFor.SPACE, "the volume is full"), "until it may be evicted"
    site.database.advance(61)
    assert isinstance(attempt(site, cart), FileActions)
    assert site.on_volume() == set()


def test_a_file_the_window_needs_is_not_evicted_for_it(site: MemorySite) -> None:
    leave_staged(site, "mine")
    leave_staged(site, "idle")
    _, _, actions = site.reserve(site.lay_out("new", {"mine": b"mine", **blocks("n", 3)}))
    assert [spec.archive_id for spec in actions.ready] == ["mine"]
    assert site.on_volume() == {"mine"}


def test_a_window_larger_than_the_volume_fails_with_the_figures(site: MemorySite) -> None:
    with pytest.raises(NoSpaceAvailable) as caught:
        attempt(site, site.lay_out("huge", blocks("h", 5)))
    assert caught.value.message == (
        "No Space Available: files need 20.5 KB at once, the volume holds 16.4 KB; the largest is 'h0' (4.1 KB)"
    )
    assert site.used() == (0, 0)


def test_a_file_larger_than_the_volume_is_named_with_both_sizes(site: MemorySite) -> None:
    with pytest.raises(NoSpaceAvailable) as caught:
        attempt(site, site.lay_out("huge", {"small": b"s", "d/big.dat": b"x" * 2_100_000}))
    assert caught.value.message == "No Space Available: file 'd/big.dat' (2.1 MB) does not fit the volume (16.4 KB)"


def test_a_window_fails_when_something_else_fills_the_volume(site: MemorySite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site.volume, "usable", lambda look, used, staged: BLOCK)
    with pytest.raises(NoSpaceAvailable, match=r"is filled by something else$"):
        attempt(site, site.lay_out("a", blocks("x", 2)))


def test_a_window_waits_while_another_holds_what_it_needs_on_a_crowded_volume(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.volume, "usable", lambda look, used, staged: 2 * BLOCK)
    site.reserve(site.lay_out("a", blocks("x", 1)))
    assert isinstance(attempt(site, site.lay_out("b", blocks("y", 2))), Park)


def test_a_window_waits_while_temporary_files_that_will_be_removed_fill_the_volume(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.volume, "usable", lambda look, used, staged: BLOCK)
    (site.root / "tmp" / "99-1-abc").write_bytes(b"left by a dead worker")
    assert isinstance(attempt(site, site.lay_out("a", blocks("x", 2))), Park)


def test_a_staged_file_of_another_version_is_pulled_again(site: MemorySite) -> None:
    leave_staged(site, "x")
    cart = site.lay_out("b", {"x": b"x"})
    site.database.tables.entries[cart.id, 0].mtime_ns += 1
    _, _, actions = site.reserve(cart)
    assert [spec.archive_id for spec in actions.pull] == ["x"]
    assert site.used() == (BLOCK, 0)


def test_a_reservation_is_taken_over_and_unfinished_files_are_pulled_again(site: MemorySite) -> None:
    cart = site.lay_out("a", {"done": b"d", "half": b"h"})
    first, work, actions = site.reserve(cart)
    done = [pair for pair in site.puller.pull(first, actions.pull[:1]) if isinstance(pair[1], dict)]
    site.world.jobs.fenced(first.job, lambda: site.world.staged_files.record_staged(done))  # type: ignore[arg-type]
    (site.root / "tmp" / f"{first.job.id}-{first.job.token}-abc").write_bytes(b"half")
    second = expired(first, site)
    actions = reserved(site.reserver.reserve(second, work))
    assert [spec.archive_id for spec in actions.ready] == ["done"]
    assert [spec.archive_id for spec in actions.pull] == ["half"]
    assert (site.used(), site.pins()) == ((2 * BLOCK, BLOCK), {"done": 1, "half": 1}), "nothing is charged twice"
    assert list((site.root / "tmp").iterdir()) == []
    assert site.world.staged_files.find(["half"])["half"].puller == second.job.id


def test_a_take_over_ends_the_sharing_of_the_earlier_claim(site: MemorySite) -> None:
    cart = site.lay_out("a", {"x": b"x"})
    lease, work, _ = site.reserve(cart)
    site.world.jobs.fenced(lease.job, lambda: site.world.shared_files.share(cart.id, lease.job.id, 0, 9))
    site.reserver.reserve(lease, work)
    assert site.database.tables.shared_files == {}


def test_nothing_is_reserved_for_a_window_that_another_job_has_moved(site: MemorySite) -> None:
    cart = site.lay_out("a", {"x": b"x"})
    work = site.work(cart)
    site.database.transaction(lambda: site.world.windows.move(cart.id, 0, (WindowState.TAKEN,), WindowState.DROPPED))
    with pytest.raises(LeaseLost):
        site.reserver.reserve(site.lease(cart), work)
    assert (site.used(), site.pins()) == ((0, 0), {})


def test_a_cart_that_ends_during_an_attempt_holds_up_no_younger_cart(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.reserve(site.lay_out("first", blocks("x", 3)))
    older, younger = site.lay_out("older", blocks("y", 2)), site.lay_out("younger", blocks("z", 1))

    measured = site.free_space.measured

    def end_meanwhile() -> Room:
        site.database.transaction(lambda: site.releaser.release_cart(lease, older))
        site.database.transaction(lambda: site.world.jobs.delete_all(older.id))
        return measured()

    lease, work = site.lease(older), site.work(older)
    monkeypatch.setattr(site.free_space, "measured", end_meanwhile)
    with pytest.raises(LeaseLost):
        site.reserver.reserve(lease, work)
    assert isinstance(attempt(site, younger), FileActions)


def test_a_worker_that_drains_reserves_nothing(site: MemorySite) -> None:
    cart = site.lay_out("a", {"x": b"x"})
    site.stopping.set()
    with pytest.raises(WorkerStopping):
        attempt(site, cart)
    assert site.used() == (0, 0)


def blocks(name: str, count: int) -> dict[str, bytes]:
    """Files of one block each."""
    return {f"{name}{number}": str(number).encode() * BLOCK for number in range(count)}


def attempt(site: MemorySite, cart: Cart) -> FileActions | Defer | Park:
    return site.reserver.reserve(site.lease(cart), site.work(cart))


def reserved(outcome: FileActions | Defer | Park) -> FileActions:
    assert isinstance(outcome, FileActions)
    return outcome


def leave_staged(site: MemorySite, name: str) -> None:
    """A staged file of one block that no window needs any more."""
    cart = site.lay_out(f"cart-{name}", {name: name.encode()})
    lease, work = site.stage(cart)
    site.world.jobs.finish(lease.job, lambda: finish_window(site, work))


def finish_window(site: MemorySite, work: WindowWork) -> None:
    site.world.windows.move(work.cart.id, 0, (WindowState.STAGED,), WindowState.DONE)
    site.releaser.release_window(work)
