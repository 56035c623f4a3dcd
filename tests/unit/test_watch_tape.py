"""Watching files on tape: windows go ahead as they come online, and looks become rarer."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable, EntriesFailed
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.job_row import NO_CART, JobKind
from tests.doubles.site import MemorySite
from workers.handlers.watch_tape import TapePolicy
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer, Done, Outcome
from workers.stores.recalls import FIRST_LOOK

CONTENT = b"x" * (9 << 20)  # a window of its own


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    return MemorySite(tmp_path, tape_policy=TapePolicy(timeout=1000, shortest_interval=2, longest_interval=60))


def test_while_files_are_on_tape_the_job_looks_again_later(site: MemorySite) -> None:
    cart, lease = on_tape(site, 2)
    outcome = look(site, lease)
    assert isinstance(outcome, Defer)
    assert outcome.reason == "2 files are on tape"
    assert states(site, cart) == ["tape", "tape"]


@pytest.mark.parametrize(("waited", "interval"), [(1, 2), (80, 10), (900, 60)])
def test_polls_become_rarer_the_longer_a_cart_waits(site: MemorySite, waited: float, interval: float) -> None:
    _, lease = on_tape(site, 1)
    site.database.advance(waited)
    outcome = poll(site, lease)
    assert isinstance(outcome, Defer)
    assert 0.8 * interval <= outcome.delay <= 1.2 * interval


def test_a_window_whose_files_came_online_becomes_a_job_while_others_wait(site: MemorySite) -> None:
    cart, lease = on_tape(site, 2)
    site.archive.files["f1"].media = "disk"
    outcome = look(site, lease)
    assert isinstance(outcome, Defer)
    assert outcome.reason == "1 files are on tape"
    assert states(site, cart) == ["tape", "taken"]
    assert new_windows(site) == [1]


def test_with_the_last_file_online_the_watch_ends(site: MemorySite) -> None:
    cart, lease = on_tape(site, 2)
    for file in site.archive.files.values():
        file.media = "disk"
    assert look(site, lease) == Done()
    assert (states(site, cart), new_windows(site)) == (["taken", "taken"], [0, 1])
    assert lease.job.id not in site.database.tables.jobs


def test_only_files_that_were_on_tape_are_asked_for(site: MemorySite) -> None:
    site.archive.put("other", b"x")
    _, lease = on_tape(site, 2)
    site.archive.files["f0"].media = "disk"
    lease = looked(site, lease)
    site.archive.asked.clear()
    site.database.advance(60)
    look(site, lease)
    assert site.archive.asked == [("HEAD", "f1")]


def test_in_a_window_only_the_files_on_tape_are_asked_for(site: MemorySite) -> None:
    cart = site.post("a", {"disk": b"d", "tape": b"t"})
    site.archive.files["tape"].media = "tape"
    lease = site.lease(cart, JobKind.RECALL)
    site.recall_handler.run(lease)
    site.archive.asked.clear()
    look(site, lease)
    assert site.archive.asked == [("HEAD", "tape")]


def test_a_file_that_came_online_may_be_recalled_again_should_it_go_back(site: MemorySite) -> None:
    cart, lease = on_tape(site, 2)
    site.archive.files["f0"].media = "disk"
    lease = looked(site, lease)
    site.archive.files["f0"].media = "tape"
    site.metadata.ask_archive(lease, site.work(cart, 0).entries)
    assert site.archive.asked.count(("POST", "f0")) == 2


def test_a_failing_look_is_not_the_end_of_the_wait(site: MemorySite) -> None:
    cart, lease = on_tape(site, 1)
    site.archive.files["f0"].error = ArchiveUnavailable("busy")
    assert isinstance(look(site, lease), Defer)
    assert states(site, cart) == ["tape"]


def test_a_file_the_archive_refuses_now_fails_the_cart(site: MemorySite) -> None:
    _, lease = on_tape(site, 1)
    site.archive.files["f0"].error = ArchiveRefused("archive answered 404")
    with pytest.raises(EntriesFailed, match=r"no file with id 'f0' \(HTTP 404\)\. Check the id, .* Path: f0$"):
        look(site, lease)


def test_a_file_that_stays_on_tape_beyond_the_timeout_fails_the_cart_and_the_first_are_named(site: MemorySite) -> None:
    _, lease = on_tape(site, 7)
    site.database.advance(1001)
    with pytest.raises(EntriesFailed) as caught:
        poll(site, lease)
    assert caught.value.message == (
        "7 files did not come online within RECALL_TIMEOUT, 1000 s; first: f0, f1, f2, f3, f4"
    )


def test_no_more_than_eight_windows_of_a_cart_are_jobs_at_once(site: MemorySite) -> None:
    cart, lease = on_tape(site, 10)
    for file in site.archive.files.values():
        file.media = "disk"
    assert look(site, lease) == Done()
    assert new_windows(site) == list(range(8))
    assert states(site, cart)[8:] == ["online", "online"]


def test_a_long_poll_gives_its_turn_to_a_cart_that_waits_and_goes_on_with_the_next_window(site: MemorySite) -> None:
    cart, lease = on_tape(site, 10)
    for file in site.archive.files.values():
        file.errors["POST"] = ArchiveUnavailable("busy")
    site.database.tables.recalls.clear()  # so that the poll asks for each again, which takes a second
    site.world.job(site.world.cart("other").id, JobKind.RECALL)
    site.archive.asked.clear()
    site.archive.on_request = lambda archive_id: site.database.advance(1)
    asked: list[list[str]] = []
    while not asked or len(asked[-1]) == 3:
        outcome = poll(site, lease)
        asked.append([name for method, name in site.archive.asked if method == "POST"])
        site.archive.asked.clear()
    assert isinstance(outcome, Defer)
    assert outcome.reason == "10 files are on tape"
    assert [name for names in asked for name in names] == [f"f{number}" for number in range(10)]
    assert states(site, cart) == ["tape"] * 10


def on_tape(site: MemorySite, windows: int) -> tuple[Cart, Lease]:
    """A cart of windows of one file each, all recalled from tape, and the lease of the job that watches them."""
    cart = site.post("a", {f"f{number}": CONTENT for number in range(windows)}, media="tape")
    lease = site.lease(cart, JobKind.RECALL)
    assert isinstance(site.recall_handler.run(lease), Defer)
    assert site.cart(cart.id).windows_total == windows
    return cart, lease


def look(site: MemorySite, lease: Lease) -> Outcome:
    """A look at every recalled file that is due, and then a poll of the cart."""
    site.database.advance(FIRST_LOOK)
    site.look_handler.run(Lease(site.world.claimed(NO_CART, JobKind.LOOK), "receipt", site.stopping))
    return poll(site, lease)


def poll(site: MemorySite, lease: Lease) -> Outcome:
    site.world.jobs.requeue(lease.job)
    job = site.world.jobs.claim(lease.job.id, lease.job.token + 1)
    assert job is not None
    lease.job = job
    return site.recall_handler.run(lease)


def looked(site: MemorySite, lease: Lease) -> Lease:
    look(site, lease)
    return lease


def states(site: MemorySite, cart: Cart) -> list[str]:
    return [site.state_of(cart, number) for number in range(site.cart(cart.id).windows_total)]


def new_windows(site: MemorySite) -> list[int]:
    """The windows of the jobs that messages were sent for."""
    jobs = [site.database.tables.jobs[message.job_id] for message, _ in site.queue.sent]
    return [job.window for job in jobs if job.kind == JobKind.WINDOW]
