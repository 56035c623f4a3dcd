"""Small windows pass one that waits for space, and however many there are, they never starve it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from chalicelib.stores.cart_row import Cart
from chalicelib.stores.waiting_windows import UNKNOWN
from tests.doubles.site import MemorySite
from tests.unit.test_reserve import attempt, finish_window
from workers.files.volume import BLOCK
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Park
from workers.staging.file_actions import FileActions
from workers.staging.passing import may_pass
from workers.staging.window_work import WindowWork
from workers.stores.windows import Ahead

VOLUME = 80  # blocks
SHARE = VOLUME // 8
HELD = 3  # moments


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    return MemorySite(tmp_path, limit=VOLUME * BLOCK)


def test_a_small_window_passes_one_that_waits_for_most_of_the_volume(site: MemorySite) -> None:
    holding, waiting = site.lay_out("a", blocks("x", 50)), site.lay_out("b", blocks("y", 50))
    site.reserve(holding)
    assert isinstance(attempt(site, waiting), Park)
    assert isinstance(attempt(site, site.lay_out("c", blocks("z", 1))), FileActions)


def test_windows_that_pass_hold_at_most_an_eighth_of_the_volume_together(site: MemorySite) -> None:
    wait_behind(site, holding=50, needed=50)
    passed = [attempt(site, site.lay_out(f"c{number}", blocks(f"z{number}-", 3))) for number in range(5)]
    assert [isinstance(outcome, FileActions) for outcome in passed] == [True] * (SHARE // 3) + [False] * 2


def test_when_one_that_passed_is_done_the_next_one_passes(site: MemorySite) -> None:
    wait_behind(site, holding=50, needed=50)
    first, second = (site.lay_out(f"c{number}", blocks(f"z{number}-", SHARE)) for number in range(2))
    passed = reserve(site, first)
    assert isinstance(attempt(site, second), Park)
    finish(site, passed)
    assert isinstance(attempt(site, second), FileActions)


def test_nothing_passes_a_window_that_needs_the_whole_volume(site: MemorySite) -> None:
    wait_behind(site, holding=50, needed=VOLUME)
    assert isinstance(attempt(site, site.lay_out("c", blocks("z", 1))), Park)


def test_the_largest_window_ahead_counts_not_only_the_first(site: MemorySite) -> None:
    wait_behind(site, holding=60, needed=30)
    assert isinstance(attempt(site, site.lay_out("larger", blocks("w", VOLUME - 1))), Park)
    assert isinstance(attempt(site, site.lay_out("two", blocks("t", 2))), Park)
    assert isinstance(attempt(site, site.lay_out("one", blocks("o", 1))), FileActions)


def test_a_window_that_passes_evicts_nothing(site: MemorySite) -> None:
    wait_behind(site, holding=50, needed=50)
    for name in ("one", "two", "three"):
        finish(site, reserve(site, site.lay_out(name, blocks(name, SHARE))))
    assert isinstance(attempt(site, site.lay_out("more", blocks("m", 1))), Park), "the volume is full"
    assert len(site.on_volume()) == 3 * SHARE


def test_files_that_could_be_evicted_count_for_the_window_that_pins_them(site: MemorySite) -> None:
    cached = blocks("i", SHARE + 1)
    finish(site, reserve(site, site.lay_out("cached", cached)))
    site.reserve(site.lay_out("holding", blocks("x", VOLUME - SHARE - 1)))
    waiting = site.lay_out("waiting", blocks("y", 50))
    site.database.transaction(lambda: site.world.windows.wait_for_space(waiting.id, 0, 50 * BLOCK))
    assert isinstance(attempt(site, site.lay_out("all", cached)), Park)
    assert isinstance(attempt(site, site.lay_out("some", dict(list(cached.items())[:SHARE]))), FileActions)


def test_while_files_cannot_be_evicted_yet_what_has_passed_and_ended_still_counts(tmp_path: Path) -> None:
    site = MemorySite(tmp_path, limit=VOLUME * BLOCK, unused_for=600)
    wait_behind(site, holding=50, needed=50)
    for number in range(2):
        site.database.advance(1)
        finish(site, reserve(site, site.lay_out(f"c{number}", blocks(f"z{number}-", SHARE // 2))))
    more = site.lay_out("more", blocks("m", 1))
    assert isinstance(attempt(site, more), Park)
    site.database.advance(601)
    assert isinstance(attempt(site, more), FileActions)


def test_nothing_passes_a_window_that_an_earlier_release_marked_as_waiting() -> None:
    assert not may_pass(1, Ahead(UNKNOWN, 0.0, 0), 0, 1 << 50)


@pytest.mark.parametrize(
    ("claimed", "passed", "recent", "allowed"), [(10, 0, 0, True), (4, 3, 3, True), (4, 4, 3, False)]
)
def test_claims_what_has_passed_and_what_is_recent_share_one_bound(
    claimed: int, passed: int, recent: int, allowed: bool
) -> None:
    assert may_pass(claimed, Ahead(50, 0.0, passed), recent, 80) == allowed


@pytest.mark.parametrize("unused_for", [0, 7])
def test_a_steady_stream_of_small_carts_does_not_starve_a_large_one(tmp_path: Path, unused_for: int) -> None:
    """At each moment, as many new small carts try as would fill the volume."""
    site = MemorySite(tmp_path, limit=VOLUME * BLOCK, unused_for=unused_for)
    first, large = site.reserve(site.lay_out("a", blocks("x", 50))), site.lay_out("b", blocks("y", 60))
    small: list[Reserved] = []
    passed = 0
    for moment in range(40):
        if isinstance(attempt(site, large), FileActions):
            break
        for number in range(20):
            outcome = reserve(site, site.lay_out(f"s{moment}-{number}", blocks(f"s{moment}-{number}-", 4)))
            small += [outcome] if outcome else []
        passed += len(small)
        site.database.advance(1)
        for outcome in small:
            finish(site, outcome)
        small.clear()
        if moment == 20:
            finish(site, first)
    assert 21 <= moment <= 21 + unused_for + 1
    assert passed >= 2 * 20 / (unused_for + 1), "small carts passed all the time"


@pytest.mark.parametrize("seed", range(5))
def test_the_oldest_cart_waits_no_longer_than_what_it_found_and_what_passed_it(tmp_path: Path, seed: int) -> None:
    """Carts of any size come all the time, each holds its space for at most HELD moments, and they try in any order."""
    draw = random.Random(seed)
    unused_for = draw.choice([0, 0, 3])
    site = MemorySite(tmp_path, limit=VOLUME * BLOCK, unused_for=unused_for)
    waiting: dict[int, Cart] = {}
    held: list[tuple[int, Reserved]] = []
    oldest, oldest_since = 0, 0
    for moment in range(80):
        cart = site.lay_out(f"c{moment}", blocks(f"c{moment}-", draw.choice([1, 1, 2, 5, 10, 40, VOLUME])))
        waiting[cart.id] = cart
        for cart_id in draw.sample(sorted(waiting), len(waiting)):
            if reserved := reserve(site, waiting[cart_id]):
                held.append((moment + draw.randrange(1, HELD + 1), reserved))
                del waiting[cart_id]
        site.database.advance(1)
        for until, reserved in held:
            if until <= moment + 1:
                finish(site, reserved)
        held = [(until, reserved) for until, reserved in held if until > moment + 1]
        if min(waiting, default=0) != oldest:
            oldest, oldest_since = min(waiting, default=0), moment
        assert not waiting or moment - oldest_since <= 2 * HELD + unused_for + 1


#: A cart whose window is reserved.
Reserved = tuple[Lease, WindowWork, FileActions]


def blocks(name: str, count: int) -> dict[str, bytes]:
    """Files of one block each."""
    return {f"{name}{number}": f"{number:>{BLOCK}}".encode() for number in range(count)}


def wait_behind(site: MemorySite, holding: int, needed: int) -> None:
    """Let a cart of `needed` blocks wait for the space that another holds."""
    site.reserve(site.lay_out("holding", blocks("x", holding)))
    assert isinstance(attempt(site, site.lay_out("waiting", blocks("y", needed))), Park)


def reserve(site: MemorySite, cart: Cart) -> Reserved | None:
    lease, work = site.lease(cart), site.work(cart)
    actions = site.reserver.reserve(lease, work)
    return (lease, site.work(cart), actions) if isinstance(actions, FileActions) else None


def finish(site: MemorySite, reserved: Reserved | None) -> None:
    """Stage the window and release it."""
    assert reserved is not None
    lease, work, actions = reserved
    site.world.jobs.renew([lease.job])
    assert site.stager.stage(lease, work, actions) is None
    site.world.jobs.finish(lease.job, lambda: finish_window(site, work))
