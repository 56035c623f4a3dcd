"""Who is woken when space, or an owner's limit, is given back: those that fit, the oldest cart first, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.caller import NOBODY
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.job_row import JobKind
from chalicelib.sweep.wake_waiting import WakeWaiting
from tests.doubles.site import MemorySite
from tests.unit.test_passing import Reserved, blocks, finish
from workers.files.volume import BLOCK
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Park
from workers.staging.file_actions import FileActions

VOLUME = 80  # blocks


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    return MemorySite(tmp_path, limit=VOLUME * BLOCK)


def waiting(site: MemorySite, uid: str, count: int) -> Cart:
    """A cart whose window waits for blocks, parked as the runner parks it."""
    cart = site.lay_out(uid, blocks(f"{uid}-", count))
    park(site, site.lease(cart), cart)
    return cart


def park(site: MemorySite, lease: Lease, cart: Cart) -> None:
    outcome = site.reserver.reserve(lease, site.work(cart))
    assert isinstance(outcome, Park)
    site.world.jobs.park(lease.job, outcome.delay, outcome.reason, outcome.window, outcome.waits_for)


def work_on_due_jobs(site: MemorySite) -> list[str]:
    """Try every window whose job is due, until none is; what became of them, in order."""
    tried = []
    while due := [row for row in site.database.tables.jobs.values() if row.is_due(site.database.now)]:
        row = min(due, key=lambda row: row.id)
        job = site.world.jobs.claim(row.id, row.token)
        assert job is not None
        cart = site.cart(row.cart_id)
        lease = Lease(job, "receipt", site.stopping)
        outcome = site.reserver.reserve(lease, site.work(cart))
        tried.append(f"{cart.uid} {'reserved' if isinstance(outcome, FileActions) else 'waits'}")
        if isinstance(outcome, Park):
            site.world.jobs.park(job, outcome.delay, outcome.reason, outcome.window, outcome.waits_for)
    return tried


def release(site: MemorySite, reserved: Reserved) -> None:
    finish(site, reserved)
    site.releaser.wake_waiting(NOBODY)


def test_those_that_fit_together_are_woken_and_no_more(site: MemorySite) -> None:
    first = site.reserve(site.lay_out("first", blocks("f", 30)))
    site.reserve(site.lay_out("second", blocks("s", 45)))
    for number in range(30):
        waiting(site, f"w{number}", 10)
    release(site, first)
    assert work_on_due_jobs(site) == [
        "w0 reserved",
        "w1 reserved",
        "w2 reserved",
        "w3 waits",
    ]
    assert work_on_due_jobs(site) == []


def test_a_window_behind_one_that_goes_on_waiting_is_woken_if_it_may_pass(site: MemorySite) -> None:
    first = site.reserve(site.lay_out("first", blocks("f", 10)))
    site.reserve(site.lay_out("second", blocks("s", 68)))
    waiting(site, "large", 50)
    waiting(site, "middle", 20)
    waiting(site, "small", 3)
    release(site, first)
    assert work_on_due_jobs(site) == ["large waits", "small reserved"]


def test_a_cart_that_ends_wakes_those_that_waited_behind_it(site: MemorySite) -> None:
    site.reserve(site.lay_out("first", blocks("f", 70)))
    large = waiting(site, "large", 72)
    waiting(site, "small", 10)
    (message,) = site.database.transaction(lambda: site.world.endings.retire(large.id))
    job = site.world.jobs.claim(message.job_id, message.token)
    assert job is not None
    site.cleanup_handler.run(Lease(job, "receipt", site.stopping))
    assert work_on_due_jobs(site) == ["small reserved"]


def test_what_is_released_while_a_window_is_tried_wakes_it_as_soon_as_it_is_parked(site: MemorySite) -> None:
    first = site.reserve(site.lay_out("first", blocks("f", 80)))
    cart = site.lay_out("second", blocks("s", 10))
    lease = site.lease(cart)
    outcome = site.reserver.reserve(lease, site.work(cart))
    assert isinstance(outcome, Park)
    release(site, first)
    site.world.jobs.park(lease.job, outcome.delay, outcome.reason, outcome.window, outcome.waits_for)
    assert work_on_due_jobs(site) == ["second reserved"]


def test_nothing_is_tried_while_nothing_is_released(site: MemorySite) -> None:
    lease, _, _ = site.reserve(site.lay_out("first", blocks("f", 80)))
    for number in range(10):
        waiting(site, f"w{number}", 10)
    sent = len(site.queue.sent)
    for _ in range(50):
        site.database.advance(10)
        site.world.jobs.renew([lease.job])
        assert work_on_due_jobs(site) == []
    assert len(site.queue.sent) == sent


def test_the_sweep_heals_a_lost_wake_and_the_rest_of_the_line_follows(site: MemorySite) -> None:
    first = site.reserve(site.lay_out("first", blocks("f", 80)))
    for number in range(3):
        waiting(site, f"w{number}", 20)
    finish(site, first)
    assert work_on_due_jobs(site) == []
    messages = WakeWaiting(site.world.waiting, 10).run()
    assert [message.job_id for message in messages] == [site.world.waiting.for_space(1)[0].job_id]
    assert sorted(work_on_due_jobs(site)) == ["w0 reserved", "w1 reserved", "w2 reserved"]
    assert WakeWaiting(site.world.waiting, 10).run() == []


def test_a_job_that_is_due_already_is_not_woken_again(site: MemorySite) -> None:
    first = site.reserve(site.lay_out("first", blocks("f", 40)))
    second = site.reserve(site.lay_out("second", blocks("s", 40)))
    cart = waiting(site, "waits", 10)
    release(site, first)
    release(site, second)
    jobs = [
        job.id for job in site.database.tables.jobs.values() if (job.cart_id, job.kind) == (cart.id, JobKind.WINDOW)
    ]
    assert [message.job_id for message, _ in site.queue.sent] == jobs
