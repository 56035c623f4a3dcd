"""A cart's first job: what it asks the archive, what it recalls, and the layout it fixes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.db.states import WaitsFor, WindowState
from chalicelib.errors import ArchiveRefused, ArchiveTimedOut, ArchiveUnavailable, EntriesFailed, LeaseLost
from chalicelib.stores.cart_row import Cart, CartState
from chalicelib.stores.job_row import JobKind
from tests.doubles.archive import MTIME_NS
from tests.doubles.site import MemorySite
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Continue, Defer, Outcome
from workers.staging.file_retries import FileRetryPolicy
from workers.staging.share_work import SharingPolicy
from workers.staging.window_work import WindowWork
from workers.stores.recalls import CLAIM_LIFE

MISSING = (
    "The archive has no file with id '{}', or could not read it for 0 s (HTTP 500). "
    "Check the id, then post the manifest again. Path: {}"
)
FILES = {"x": b"hello", "y": b"world!"}


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    return MemorySite(tmp_path)


def test_a_cart_on_disk_is_laid_out_and_continues_with_its_first_window(site: MemorySite) -> None:
    cart = site.post("a", FILES)
    outcome, lease = run(site, cart)
    assert isinstance(outcome, Continue)
    assert (outcome.kind, outcome.window) == (JobKind.WINDOW, 0)
    found = site.cart(cart.id)
    assert (found.state, found.windows_total, found.bytes_total) == (CartState.STAGING, 1, 11)
    assert site.state_of(cart) == WindowState.TAKEN
    assert [(entry.size, entry.mtime_ns) for entry in site.work(cart).entries] == [(5, MTIME_NS), (6, MTIME_NS)]
    assert (site.archive.count("HEAD"), site.archive.count("POST")) == (2, 0)
    assert site.database.tables.jobs[lease.job.id].kind == JobKind.WINDOW


def test_the_window_is_passed_on_as_its_job_would_read_it(site: MemorySite) -> None:
    cart = site.post("a", FILES)
    outcome, _ = run(site, cart)
    assert isinstance(outcome, Continue)
    assert isinstance(outcome.work, WindowWork)
    reread = site.work(cart)
    assert (outcome.work.window, outcome.work.entries) == (reread.window, reread.entries)
    assert (outcome.work.cart.bundle_size, outcome.work.cart.upload_id) == (reread.cart.bundle_size, "")


def test_a_large_cart_has_an_upload_and_its_next_windows_are_jobs(site: MemorySite) -> None:
    cart = site.post("a", {f"f{number}": b"x" * (9 << 20) for number in range(3)})
    outcome, lease = run(site, cart)
    assert isinstance(outcome, Continue)
    assert site.cart(cart.id).windows_total == 3
    assert site.cart(cart.id).upload_id in site.bundles.uploads
    jobs = [job for job in site.database.tables.jobs.values() if job.id != lease.job.id]
    assert [(job.kind, job.window) for job in jobs] == [(JobKind.WINDOW, 1), (JobKind.WINDOW, 2)]
    assert [message.job_id for message, _ in site.queue.sent] == [job.id for job in jobs]


def test_a_staged_file_of_the_same_hash_asks_the_archive_nothing(site: MemorySite) -> None:
    site.stage(site.lay_out("a", FILES))
    site.archive.asked.clear()
    outcome, _ = run(site, site.post("b", FILES))
    assert isinstance(outcome, Continue)
    assert site.archive.asked == []


def test_a_staged_file_of_another_hash_is_asked_for(site: MemorySite) -> None:
    site.stage(site.lay_out("a", FILES))
    site.archive.asked.clear()
    run(site, site.post("b", {"x": b"HELLO", "y": b"world!"}))
    assert site.archive.asked == [("HEAD", "x")]


def test_a_file_named_twice_is_asked_for_once(site: MemorySite) -> None:
    cart = site.post("a", FILES)
    site.database.tables.entries[cart.id, 1].archive_id = "x"
    run(site, cart)
    assert site.archive.asked == [("HEAD", "x")]
    assert [entry.size for entry in site.work(cart).entries] == [5, 5]


def test_files_on_tape_are_recalled_and_the_job_waits_for_them(site: MemorySite) -> None:
    cart = site.post("a", FILES, media="tape")
    outcome, lease = run(site, cart)
    assert outcome == Defer(1, WaitsFor.TAPE, "files are on tape")
    assert site.archive.count("POST") == 2
    assert site.state_of(cart) == WindowState.TAPE
    assert site.database.tables.jobs[lease.job.id].kind == JobKind.RECALL


def test_a_file_is_recalled_once_across_all_carts(site: MemorySite) -> None:
    run(site, site.post("a", FILES, media="tape"))
    run(site, site.post("b", FILES, media="tape"))
    assert site.archive.count("POST") == 2


@pytest.mark.parametrize(("error", "wait", "recalls"), [
    (None, CLAIM_LIFE + 1, 1),
    (ArchiveUnavailable("busy"), 0, 2),
    (ArchiveTimedOut("slow"), 0, 1),
    (ArchiveTimedOut("slow"), CLAIM_LIFE + 1, 2),
])  # fmt: skip
def test_a_refused_recall_is_repeated_at_the_next_look_and_one_that_timed_out_later(
    site: MemorySite, error: ArchiveUnavailable | None, wait: float, recalls: int
) -> None:
    cart = site.post("a", {"x": b"x"}, media="tape")
    if error is not None:
        site.archive.files["x"].errors["POST"] = error
    _, lease = run(site, cart)
    site.database.advance(wait)
    site.world.jobs.defer(lease.job, 0)
    run_again(site, lease)
    assert site.archive.count("POST") == recalls


def test_windows_that_are_online_do_not_wait_for_those_on_tape(site: MemorySite) -> None:
    cart = site.post("a", {f"f{number}": b"x" * (9 << 20) for number in range(3)})
    site.archive.files["f1"].media = "tape"
    outcome, _ = run(site, cart)
    assert isinstance(outcome, Defer)
    assert [site.state_of(cart, number) for number in range(3)] == ["taken", "tape", "taken"]


def test_a_failing_file_is_asked_for_again_soon_and_then_deferred(site: MemorySite) -> None:
    cart = site.post("a", FILES)
    site.archive.files["y"].error = ArchiveUnavailable("archive answered 500")
    outcome, _ = run(site, cart)
    assert outcome == Defer(1.0, WaitsFor.ARCHIVE, "the archive is failing: archive answered 500")
    assert site.archive.asked == [("HEAD", "x"), ("HEAD", "y"), ("HEAD", "y")]
    assert site.cart(cart.id).windows_total == 0
    x, y = site.world.entries.page(cart.id, 0, 2)
    assert (x.size, y.size, y.failing_s) == (5, None, 0.5)


def test_the_next_look_asks_only_about_what_is_unknown(site: MemorySite) -> None:
    cart = site.post("a", FILES)
    site.archive.files["y"].error = ArchiveUnavailable("archive answered 500")
    _, lease = run(site, cart)
    site.archive.files["y"].error = None
    site.archive.asked.clear()
    site.database.advance(1)
    assert isinstance(run_again(site, lease), Continue)
    assert site.archive.asked == [("HEAD", "y")]


def test_a_file_that_fails_for_too_long_fails_the_cart(tmp_path: Path) -> None:
    site = MemorySite(tmp_path, retries_policy=FileRetryPolicy(patience=0.4))
    cart = site.post("a", FILES)
    site.archive.files["y"].error = ArchiveUnavailable("archive answered 500")
    with pytest.raises(EntriesFailed, match=re.escape(MISSING.format("y", "y") + "; 1 of 2 files failed")):
        run(site, cart)


def test_a_file_the_archive_refuses_fails_the_cart(site: MemorySite) -> None:
    cart = site.post("a", {"x": b"x"})
    site.archive.files["x"].error = ArchiveRefused("archive answered 404")
    with pytest.raises(EntriesFailed, match=r"^The archive has no file with id 'x' \(HTTP 404\)\. Check the id, "):
        run(site, cart)


def test_a_cart_that_was_deleted_meanwhile_is_not_laid_out(site: MemorySite) -> None:
    cart = site.post("a", FILES)
    lease = site.lease(cart, JobKind.RECALL)
    site.database.transaction(lambda: site.world.endings.retire(cart.id))
    with pytest.raises(LeaseLost):
        site.recall_handler.run(lease)
    assert site.database.tables.windows == {}


@pytest.mark.parametrize(("seconds", "busy", "assistants"), [(0.5, 0.0, 3), (0.01, 0.0, 0), (0.5, 0.9, 0)])
def test_looking_up_is_shared_when_the_archive_is_slow_but_this_machine_is_not_busy(
    tmp_path: Path, seconds: float, busy: float, assistants: int
) -> None:
    """`seconds` that each answer takes, of which this process computes for the fraction `busy`."""
    site = MemorySite(tmp_path, sharing_policy=SharingPolicy(probed=4, assistants=3))
    cart = site.post("a", {f"f{number}": b"x" for number in range(30)})

    def request(archive_id: str) -> None:
        site.database.advance(seconds)
        site.busy += seconds * busy

    site.archive.on_request = request
    outcome, lease = run(site, cart)
    assert isinstance(outcome, Continue)
    assert len(site.queue.sent) == assistants
    assert site.archive.count("HEAD") == 30
    assert [job.id for job in site.database.tables.jobs.values()] == [lease.job.id], "no assistant is left"


@pytest.mark.parametrize("media", ["disk", "tape"])
def test_an_assistant_looks_up_a_part_and_the_layout_has_what_it_found(tmp_path: Path, media: str) -> None:
    site = MemorySite(tmp_path, sharing_policy=SharingPolicy(probed=4))
    cart = site.post("a", {f"f{number}": b"x" * number for number in range(40)}, media)

    def request(archive_id: str) -> None:
        site.database.advance(0.5)
        if archive_id == "f6":
            site.archive.on_request = lambda archive_id: None
            assistant = site.world.jobs.claim(site.queue.sent[0][0].job_id, 0)
            assert assistant is not None
            site.assist_handler.run(Lease(assistant, "receipt", site.stopping))

    site.archive.on_request = request
    outcome, lease = run(site, cart)
    assert isinstance(outcome, Continue if media == "disk" else Defer)
    assert site.archive.count("HEAD") == 40
    assert [entry.size for entry in site.work(cart).entries] == list(range(40))
    site.world.jobs.defer(lease.job, 0)
    if media == "tape":
        run_again(site, lease)
        assert site.archive.count("POST") == 40, "the recalls are the cart's, not the assistant's"


def run(site: MemorySite, cart: Cart) -> tuple[Outcome, Lease]:
    lease = site.lease(cart, JobKind.RECALL)
    return site.recall_handler.run(lease), lease


def run_again(site: MemorySite, lease: Lease) -> Outcome:
    """As the job's next message would."""
    site.world.jobs.requeue(lease.job)
    job = site.world.jobs.claim(lease.job.id, lease.job.token + 1)
    assert job is not None
    return site.recall_handler.run(Lease(job, "receipt", site.stopping))
