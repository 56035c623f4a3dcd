"""What is over is gone: after a year of carts the tables, the store and the volume are as full as after half a year."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest

from chalicelib.aws.sqs_queue import SqsQueue
from chalicelib.db.models import Carts, Entries, Jobs
from chalicelib.db.volume_models import Recalls
from chalicelib.errors import CartExpired, CartNotFound
from chalicelib.stores.cart_row import UNFINISHED, CartState
from chalicelib.stores.job_row import CleanupPass, JobKind
from tests.callers import ANYONE
from tests.integration.aging import DAY, HOUR, age, row_counts
from tests.integration.conftest import Site
from tests.integration.test_uploaded_manifest import UPLOADED, upload
from tests.integration.worker_site import (
    assert_volume_consistent,
    generated,
    manifest,
    rows,
    state,
    temporaries,
    until,
    uploads,
    used_bytes,
    volume_files,
)
from workers.stores.recalls import RecallStore

COMMON = generated(3, 20)
WEEK = 7 * DAY
PATIENCE = 60.0  # seconds; on a busy machine


@pytest.fixture
def site(site_of: Callable[..., Site]) -> Site:
    """A site with default times, whose volume is full after a few months."""
    site = site_of(VOLUME_LIMIT="64K", ARCHIVE_PATIENCE="0", AUDIT_DAYS="90")
    site.put("bad", b"bad")
    site.simulator.control(damaged=["bad"])
    site.start_worker()
    return site


def post(site: Site, uid: str, files: dict[str, bytes]) -> None:
    site.system.service.create(ANYONE, uid, manifest(files))


def settle(site: Site) -> None:
    """Wait for every cart to end, and sweep until there is nothing left to do."""
    until(lambda: not unfinished(site), PATIENCE, "a cart is unfinished")
    idle = 0
    while idle < 2:
        site.system.sweep.run()
        until(lambda: not busy_jobs(site), PATIENCE, "a job is at work")
        idle = 0 if rows(site, Jobs.id) else idle + 1
        age(site.system.database, 100)  # the second passes of the clean-ups are due
    until(lambda: not cast(SqsQueue, site.system.queue).count_messages(), PATIENCE, "messages are left")


def unfinished(site: Site) -> list[str]:
    """The uids of live carts that have not ended."""
    carts = rows(site, Carts.uid, Carts.state, Carts.live)
    return [uid for uid, state, live in carts if live and state in UNFINISHED]


def busy_jobs(site: Site) -> list[int]:
    """The jobs that a worker holds or is about to claim; a parked job waits for the sweep."""
    return [job_id for job_id, has_message in rows(site, Jobs.id, Jobs.has_message) if has_message]


def make_carts(site: Site, number: int) -> None:
    """Carts that fail, expire, are deleted and replaced; and one that is downloaded every week."""
    service, new = site.system.service, generated(1, 30, f"only{number}-")
    post(site, "weekly", COMMON)
    post(site, f"expires-{number}", COMMON | new)
    post(site, f"fails-{number}", COMMON | {"bad": b"bad"})
    post(site, "fails", {"bad": b"bad"})
    post(site, f"deleted-{number}", COMMON)
    post(site, f"deleted-at-once-{number}", new)
    service.delete(ANYONE, f"deleted-at-once-{number}")
    post(site, "replaced", new)
    upload(site, f"uploaded-{number}", manifest(COMMON))
    service.create(ANYONE, f"uploaded-{number}", UPLOADED)
    RecallStore(site.system.database).claim(10**9 + number, [f"on-tape-{number}"])  # of a job that is gone
    settle(site)
    service.delete(ANYONE, f"deleted-{number}")
    settle(site)


def everything(site: Site) -> dict[str, object]:
    """How much of each thing there is."""
    queue = cast(SqsQueue, site.system.queue).count_messages()
    files = {"files": len(volume_files(site)), "tmp": temporaries(site), "used": used_bytes(site)}
    stored = {"bundles": len(site.stored()), "uploads": uploads(site), "messages": queue}
    counts = row_counts(site.system.database)
    assert counts.pop("audit_seals") <= counts["audit_records"]  # how many there are depends on when sweeps ran
    return {**counts, **files, **stored}


@pytest.mark.timeout(900)
def test_after_a_year_nothing_has_grown_since_half_a_year(site: Site) -> None:
    seen: dict[int, dict[str, object]] = {}
    for fortnight in range(1, 27):
        make_carts(site, fortnight)
        seen[fortnight] = everything(site)
        for _ in range(2):
            age(site.system.database, WEEK)
            assert site.system.service.download(ANYONE, "weekly", None)[1] is not None
        settle(site)
    assert seen[26] == seen[20] == seen[13]
    assert seen[13] != seen[4], "it did grow at first"
    assert site.system.service.find(ANYONE, "weekly").state == CartState.READY
    assert_volume_consistent(site)


def test_after_a_week_nothing_is_left_but_what_is_kept(site: Site) -> None:
    for day in range(7):
        make_carts(site, day)
        for _ in range(2):
            age(site.system.database, DAY / 2)
            settle(site)
    found = everything(site)
    live = {f"expires-{day}" for day in range(7)} | {f"uploaded-{day}" for day in range(7)} | {"weekly", "replaced"}
    assert found["bundles"] == len(live)
    assert (found["jobs"], found["shares"], found["recalls"], found["messages"]) == (0, 0, 0, 0)
    assert (found["tmp"], found["uploads"]) == ([], [])
    failed = {f"fails-{day}" for day in range(1, 7)} | {"fails"}  # the first failed more than seven days ago
    kept = sum(site.system.service.find(ANYONE, uid).files_total for uid in live | failed)
    assert found["entries"] == kept
    assert_volume_consistent(site)


def test_a_failed_cart_shows_its_files_for_a_week_and_its_message_for_longer(site: Site) -> None:
    service = site.system.service
    post(site, "bad", COMMON | {"bad": b"bad"})
    settle(site)
    age(site.system.database, WEEK - HOUR)
    settle(site)
    assert len(service.files(ANYONE, "bad", -1, 10).files) == 4
    age(site.system.database, 2 * HOUR)
    settle(site)
    assert rows(site, Entries.cart_id) == []
    page = service.files(ANYONE, "bad", -1, 10)
    assert (page.files, page.next, "removed" in page.message) == ([], None, True)
    status = service.status(ANYONE, "bad")
    assert (status.cart.state, status.cart.files_total, status.counts.on_tape) == (CartState.ERROR, 4, 0)
    assert "bad" in status.cart.message


def test_a_failed_cart_can_be_posted_again_after_its_entries_were_removed(site: Site) -> None:
    post(site, "again", COMMON | {"bad": b"bad"})
    settle(site)
    age(site.system.database, WEEK + HOUR)
    settle(site)
    site.simulator.control(damaged=[])
    post(site, "again", COMMON | {"bad": b"bad"})
    assert site.wait("again").state == CartState.READY


def test_a_failed_and_an_expired_cart_are_unknown_after_history_days(site: Site) -> None:
    post(site, "bad", {"bad": b"bad"})
    post(site, "old", COMMON)
    settle(site)
    age(site.system.database, 15 * DAY)
    settle(site)
    with pytest.raises(CartExpired):
        site.system.service.find(ANYONE, "old")
    assert state(site, "bad") == CartState.ERROR
    age(site.system.database, 80 * DAY)
    settle(site)
    with pytest.raises(CartNotFound):
        site.system.service.find(ANYONE, "bad")
    with pytest.raises(CartExpired):
        site.system.service.find(ANYONE, "old")
    age(site.system.database, 20 * DAY)
    settle(site)
    with pytest.raises(CartNotFound) as unknown:
        site.system.service.find(ANYONE, "old")
    assert type(unknown.value) is CartNotFound
    assert row_counts(site.system.database)["carts"] == 0


def test_concurrent_sweeps_clear_and_delete_a_cart_once(site_of: Callable[..., Site]) -> None:
    site = site_of()  # without a worker
    system = site.system
    post(site, "gone", COMMON)
    system.service.delete(ANYONE, "gone")
    with system.database.session() as db:
        Jobs.delete().execute(db)  # as the previous release leaves it: cleaned up, not marked as cleared
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: system.sweep.run(), range(8)))
    assert [job for job in rows(site, Jobs.kind, Jobs.window) if job[0] == JobKind.CLEANUP] == [
        (JobKind.CLEANUP, CleanupPass.ROWS)
    ]
    site.start_worker()
    until(lambda: rows(site, Entries.cart_id) == [] and rows(site, Carts.cleared_at) != [(None,)])
    until(lambda: not busy_jobs(site))
    age(system.database, 91 * DAY)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: system.sweep.run(), range(8)))
    assert rows(site, Carts.id) == []


def test_a_cart_posted_again_while_its_old_row_is_deleted_is_a_new_cart(site: Site) -> None:
    post(site, "again", {"bad": b"bad"})
    settle(site)
    [(old,)] = rows(site, Carts.id)
    age(site.system.database, 91 * DAY)
    with ThreadPoolExecutor(4) as pool:
        sweeps = [pool.submit(site.system.sweep.run) for _ in range(3)]
        post(site, "again", COMMON)
        for sweep in sweeps:
            sweep.result()
    cart = site.wait("again")
    assert (cart.state, cart.id != old) == (CartState.READY, True)
    settle(site)
    assert site.system.service.find(ANYONE, "again").id == cart.id


def test_recalls_of_a_cart_that_is_gone_are_removed(site: Site) -> None:
    RecallStore(site.system.database).claim(10**9, ["on-tape"])
    age(site.system.database, HOUR)
    settle(site)
    until(lambda: rows(site, Recalls.archive_id) == [])
