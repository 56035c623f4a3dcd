"""How a cart's files are looked up: in turns with other carts, the first files before the rest, what clients see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.db.states import WaitsFor
from chalicelib.errors import ArchiveRefused, ArchiveUnavailable, EntriesFailed
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.turns import SMALL_BYTES
from tests.doubles.archive import ArchiveFile
from tests.doubles.site import MemorySite
from workers.archive.file_status import FileStatus
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Continue, Defer, Outcome
from workers.runtime.time_slice import SlicePolicy
from workers.staging.file_retries import FileRetryPolicy
from workers.staging.find_files import FIRST, OTHERS_TURN, PAGE
from workers.staging.share_work import SharingPolicy

FAILS = ArchiveUnavailable("archive answered 500")
HINT = "Check the id, then post the manifest again."


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    return MemorySite(
        tmp_path,
        slices_policy=SlicePolicy(length=3.0, look_every=0.5),
        sharing_policy=SharingPolicy(worth=1e9),
    )


def names(count: int) -> dict[str, bytes]:
    return {f"f{number:04}": b"x" for number in range(count)}


def post(site: MemorySite, count: int, missing: Callable[[int], bool] = lambda number: False) -> Cart:
    """A cart of files, some of which the archive fails to deliver."""
    cart = site.post("a", names(count))
    for number, name in enumerate(names(count)):
        if missing(number):
            site.archive.files[name].error = FAILS
    return cart


def every_request_takes(site: MemorySite, seconds: float) -> None:
    site.archive.on_request = lambda archive_id: site.database.advance(seconds)


def other_waits(site: MemorySite) -> None:
    site.world.job(site.world.cart("other").id, JobKind.RECALL)


class Job:
    """The cart's recall, run turn by turn as the runner does it."""

    def __init__(self, site: MemorySite, cart: Cart) -> None:
        self.site = site
        self.lease = site.lease(cart, JobKind.RECALL)

    def turn(self) -> Outcome:
        outcome = self.site.recall_handler.run(self.lease)
        if isinstance(outcome, Defer):
            self.site.world.jobs.defer(self.lease.job, outcome.delay, outcome.reason)
            self.site.database.advance(outcome.delay)
            job = self.site.world.jobs.claim(self.lease.job.id, self.lease.job.token)
            assert job is not None
            self.lease = Lease(job, "receipt", self.site.stopping)
        return outcome


def test_a_long_look_up_gives_its_turn_to_a_cart_that_waits_and_goes_on_where_it_was(site: MemorySite) -> None:
    cart = post(site, 900)
    every_request_takes(site, 0.01)
    other_waits(site)
    job, outcomes = Job(site, cart), list[Outcome]()
    while not outcomes or isinstance(outcomes[-1], Defer):
        outcomes.append(job.turn())
    assert outcomes[:-1] == [OTHERS_TURN] * 2
    assert isinstance(outcomes[-1], Continue)
    assert site.archive.count("HEAD") == 900, "no file is asked for twice"


def test_a_look_up_of_many_pages_goes_on_with_the_page_where_its_turn_ended(site: MemorySite) -> None:
    cart = post(site, 2 * PAGE + 50)
    every_request_takes(site, 0.002)
    other_waits(site)
    job = Job(site, cart)
    assert job.turn() == OTHERS_TURN
    assert job.lease.job.window == 1
    read: list[int] = []
    page = site.world.entries.page

    def reading(cart_id: int, first: int, most: int) -> Any:
        read.append(first)
        return page(cart_id, first, most)

    site.world.entries.page = reading  # type: ignore[method-assign]
    assert isinstance(job.turn(), Continue)
    assert read[:2] == [PAGE, 2 * PAGE]
    assert site.archive.count("HEAD") == 2 * PAGE + 50


def test_nobody_waits_so_the_look_up_goes_on(site: MemorySite) -> None:
    cart = post(site, 900)
    every_request_takes(site, 0.02)
    assert isinstance(Job(site, cart).turn(), Continue)


def test_its_own_other_jobs_end_no_turn(site: MemorySite) -> None:
    cart = post(site, 900)
    every_request_takes(site, 0.02)
    site.world.job(cart.id, JobKind.ASSIST)
    assert isinstance(Job(site, cart).turn(), Continue)


def test_a_failing_file_is_not_asked_for_again_in_the_next_turn_at_once(site: MemorySite) -> None:
    cart = post(site, 900, missing=lambda number: number == 5)
    every_request_takes(site, 0.01)
    other_waits(site)
    job = Job(site, cart)
    assert job.turn() == OTHERS_TURN
    site.archive.asked.clear()
    site.database.now = (site.world.entries.page(cart.id, 5, 1)[0].failing_at or 0) + 0.1
    assert job.turn() == OTHERS_TURN
    assert ("HEAD", "f0005") not in site.archive.asked


def test_a_job_does_not_pause_for_its_first_retry_while_others_wait(site: MemorySite) -> None:
    cart = post(site, 2, missing=lambda number: number == 1)
    other_waits(site)
    began = site.database.now
    assert Job(site, cart).site.recall_handler.run(site.lease(cart, JobKind.RECALL)) == Defer(
        1.0, WaitsFor.ARCHIVE, f"the archive is failing: {FAILS.message}"
    )
    assert site.archive.count("HEAD") == 2
    assert site.database.now == began


def test_failures_of_long_ago_use_up_no_patience_once_the_archive_has_answered(site: MemorySite) -> None:
    """A file on tape: its HEAD fails once, is answered, and fails once more after half an hour."""
    cart = post(site, 2, missing=lambda number: number == 1)
    site.archive.files["f0001"].media = "tape"
    assert isinstance(Job(site, cart).turn(), Defer)
    site.database.advance(100)
    site.archive.files["f0001"].error = None
    job = Job(site, cart)
    assert isinstance(job.turn(), Defer)
    entry = site.world.entries.page(cart.id, 1, 1)[0]
    assert (entry.failing_s, entry.failing_at, entry.failing_reason) == (0.0, None, ""), "as /files shows it"
    site.database.advance(1800)
    site.archive.files["f0001"].error = FAILS
    assert isinstance(Job(site, cart).turn(), Defer)
    assert site.world.entries.errors(cart.id) == (0, None)


@pytest.mark.parametrize("count", [FIRST + 1, 999, 3000])
def test_when_the_first_files_all_fail_the_rest_is_not_asked_for(site: MemorySite, count: int) -> None:
    job = Job(site, post(site, count, missing=lambda number: True))
    assert error_of(job) == (
        f"The archive has no file with id 'f0000', or could not read it for 60 s (HTTP 500). {HINT} Path: f0000; "
        "the first 100 all failed; the rest were not asked for"
    )
    assert {name for _, name in site.archive.asked} == set(list(names(count))[:FIRST])


def test_when_one_of_the_first_files_is_found_at_last_the_rest_is_asked_for(site: MemorySite) -> None:
    cart = post(site, 300, missing=lambda number: number < 150)
    job = Job(site, cart)
    assert isinstance(job.turn(), Defer)
    assert site.archive.count("HEAD") == 2 * FIRST, "once, and again after a pause"
    site.archive.files["f0099"].error = None
    assert isinstance(job.turn(), Defer)
    assert {name for _, name in site.archive.asked} == set(names(300))


def test_a_cart_whose_first_files_fail_waits_while_the_archive_is_down(site: MemorySite) -> None:
    job = Job(site, post(site, 300))
    site.archive.is_down = True
    for _ in range(100):
        assert isinstance(job.turn(), Defer)
    site.archive.is_down = False
    assert isinstance(job.turn(), Continue)


@pytest.mark.parametrize("missing", [1, FIRST])
def test_a_small_cart_counts_its_failed_files(tmp_path: Path, missing: int) -> None:
    site = MemorySite(tmp_path, retries_policy=FileRetryPolicy(patience=0.4))
    with pytest.raises(EntriesFailed, match=f"; {missing} of {FIRST} files failed$"):
        Job(site, post(site, FIRST, missing=lambda number: number < missing)).turn()


def test_why_a_file_is_retried_is_recorded_in_the_first_round_and_cleared_when_it_is_found(site: MemorySite) -> None:
    cart = post(site, 2, missing=lambda number: number == 1)
    seen: list[list[str]] = []
    site.stopping.meanwhile = lambda: seen.append(reasons(site, cart))
    job = Job(site, cart)
    job.turn()
    assert seen == [["", "archive answered 500"]], "before the first retry"
    site.archive.files["f0001"].error = None
    assert isinstance(job.turn(), Continue)
    assert reasons(site, cart) == ["", ""]


def test_an_entry_names_its_file_and_the_reason_within_its_length(site: MemorySite) -> None:
    name = "n" * 255
    site.archive.files[name] = ArchiveFile(b"", error=FAILS)
    job = Job(site, site.post("a", {name: b""}))
    site.archive.files[name].error = FAILS
    error_of(job)
    (entry,) = site.world.entries.page(job.lease.job.cart_id, 0, 1)
    assert len(entry.error) <= 255
    assert entry.error.startswith("The archive has no file with id 'nnn")
    assert entry.error.endswith(HINT)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, f"The archive has no file with id 'f0000' (HTTP 404). {HINT} Path: f0000"),
        (410, f"The archive has no file with id 'f0000' (HTTP 410). {HINT} Path: f0000"),
        (403, "f0000 (id f0000): archive answered 403"),
    ],
)
def test_a_refused_file_is_named_with_what_to_do(site: MemorySite, status: int, message: str) -> None:
    cart = post(site, 1)
    site.archive.files["f0000"].error = ArchiveRefused(f"archive answered {status}")
    with pytest.raises(EntriesFailed) as failed:
        Job(site, cart).turn()
    assert failed.value.message == message


def test_one_id_at_two_paths_counts_as_two_files(site: MemorySite) -> None:
    cart = post(site, 3)
    rows = site.database.tables.entries
    rows[cart.id, 1].archive_id = rows[cart.id, 0].archive_id
    site.archive.files["f0000"].error = ArchiveRefused("archive answered 404")
    with pytest.raises(EntriesFailed, match=r"; 2 of 3 files failed$"):
        Job(site, cart).turn()


def test_few_files_that_turn_out_to_be_large_leave_the_place_of_small_carts(site: MemorySite) -> None:
    cart = post(site, 2)
    status = site.archive.statuses

    def large(archive_ids: Any, check: Any) -> Any:
        for name, answer in status(archive_ids, check):
            assert isinstance(answer, FileStatus)
            yield name, replace(answer, size=SMALL_BYTES)

    site.archive.statuses = large  # type: ignore[method-assign]
    job = Job(site, cart)
    assert job.lease.job.small
    outcome = job.turn()
    assert isinstance(outcome, Defer)
    assert outcome.delay == 0
    assert (job.lease.job.kind, job.lease.job.small) == (JobKind.WINDOW, 0)


def error_of(job: Job) -> str:
    """With what the cart fails in the end; until then its job is deferred."""
    for _ in range(100):
        try:
            assert isinstance(job.turn(), Defer)
        except EntriesFailed as error:
            return error.message
    raise AssertionError("it never fails")


def reasons(site: MemorySite, cart: Cart) -> list[str]:
    return [entry.failing_reason for entry in site.world.entries.page(cart.id, 0, cart.files_total)]
