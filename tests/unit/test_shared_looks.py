"""Tape is looked at once per file for all carts, and at most ARCHIVE_LOOKS times a second in all."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable, EntriesFailed
from chalicelib.job_message import JobMessage
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.job_row import JobKind
from tests.doubles.database import RecallRow
from tests.doubles.site import MemorySite
from tests.doubles.tape_looks import MemoryTapeLookStore
from tests.doubles.world import LEASE
from workers.handlers.watch_tape import TapePolicy
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer, Done
from workers.staging.file_retries import FileRetryPolicy
from workers.staging.look_at_tape import SOON
from workers.stores.tape_looks import LookPolicy

HOUR = 3600.0


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    return MemorySite(
        tmp_path, tape_policy=TapePolicy(timeout=100 * HOUR), retries_policy=FileRetryPolicy(patience=600)
    )


@pytest.fixture
def looks(site: MemorySite) -> list[tuple[float, str]]:
    """When each look was made, by the database's clock, and at which file."""
    made: list[tuple[float, str]] = []
    site.archive.on_request = lambda archive_id: made.append((site.database.now, archive_id))
    return made


def test_a_file_that_was_recalled_for_another_cart_is_not_looked_up_again(site: MemorySite) -> None:
    one, two = posted(site, "one", 10), posted(site, "two", 10)
    assert (site.archive.count("HEAD"), site.archive.count("POST")) == (10, 10)
    sizes = [[(entry.size, entry.on_tape) for entry in site.work(cart).entries] for cart in (one, two)]
    assert sizes == [[(1, 1)] * 10] * 2
    site.archive.is_told_owners = True
    posted(site, "of nobody", 10)
    assert site.archive.count("HEAD") == 10
    site.database.tables.recalls["f0"] = recalled_by(site, "f0", "ben")
    posted(site, "not of ben", 10)
    assert site.archive.count("HEAD") == 11, "the archive may answer another owner otherwise"


@pytest.mark.parametrize("carts", [1, 4])
def test_however_many_carts_wait_each_file_is_looked_at_as_often(
    site: MemorySite, looks: list[tuple[float, str]], carts: int
) -> None:
    waiting = [posted(site, f"cart{number}", 10) for number in range(carts)]
    looks.clear()
    run_for(site, HOUR)
    counted = Counter(archive_id for _, archive_id in looks)
    assert set(counted) == {f"f{number}" for number in range(10)}
    # At intervals that grow by an eighth of the wait, from 2 s to 5 minutes, as one cart alone would look.
    assert all(30 < count < 60 for count in counted.values()), counted
    for file in site.archive.files.values():
        file.media = "disk"
    run_for(site, 900)
    assert [site.state_of(cart) for cart in waiting] == ["taken"] * carts
    assert JobKind.RECALL not in {job.kind for job in site.database.tables.jobs.values()}


def test_no_second_has_more_looks_than_allowed_and_all_files_have_their_turn(
    site: MemorySite, looks: list[tuple[float, str]]
) -> None:
    allow(site, 7)
    posted(site, "a", 100)
    posted(site, "b", 100)
    looks.clear()
    run_for(site, 120)
    times = sorted(at for at, _ in looks)
    assert max(sum(at <= other < at + 1 for other in times) for at in times) == 7
    counted = Counter(archive_id for _, archive_id in looks)
    assert len(counted) == 100
    assert max(counted.values()) - min(counted.values()) <= 2, "the oldest due is first"


def test_files_that_a_killed_worker_was_looking_at_are_looked_at_again(
    site: MemorySite, looks: list[tuple[float, str]]
) -> None:
    cart = posted(site, "a", 3)
    poll(site)

    def killed(archive_id: str) -> None:
        raise KeyboardInterrupt

    made, site.archive.on_request = site.archive.on_request, killed
    with pytest.raises(KeyboardInterrupt):
        run_due(site)
    site.archive.on_request = made
    for file in site.archive.files.values():
        file.media = "disk"
    site.database.advance(LEASE + 1)
    looks.clear()
    run_for(site, 60)
    assert Counter(archive_id for _, archive_id in looks) == {"f0": 1, "f1": 1, "f2": 1}
    assert site.state_of(cart) == "taken"


def test_a_lost_job_that_looks_is_added_by_the_next_poll(site: MemorySite) -> None:
    cart = posted(site, "a", 1)
    poll(site)
    site.database.transaction(lambda: site.world.jobs.delete_all(0))
    site.archive.files["f0"].media = "disk"
    run_for(site, 60)
    assert site.state_of(cart) == "taken"


def test_a_file_that_is_gone_while_on_tape_fails_each_cart(site: MemorySite) -> None:
    posted(site, "a", 3)
    posted(site, "b", 3)
    site.archive.files["f1"].error = ArchiveRefused("archive answered 404")
    failed = run_for(site, 600)
    assert len(failed) == 2
    assert {error.split(" (HTTP")[0] for error in failed} == {"The archive has no file with id 'f1'"}


def test_a_file_that_fails_for_too_long_fails_each_cart_but_not_while_the_archive_is_down(site: MemorySite) -> None:
    posted(site, "a", 2)
    posted(site, "b", 2)
    site.archive.is_down = True
    assert run_for(site, 2 * HOUR) == []
    site.archive.is_down = False
    site.archive.files["f0"].error = ArchiveUnavailable("archive answered 500")
    assert len(run_for(site, 2 * HOUR)) == 2


def test_a_refused_recall_is_asked_for_again_and_its_file_is_looked_at_all_the_same(site: MemorySite) -> None:
    site.archive.put("f0", b"x", "tape").errors["POST"] = ArchiveUnavailable("busy")
    cart = posted(site, "a", 1)
    run_for(site, 60)
    assert site.archive.count("POST") > 3
    site.archive.files["f0"].media = "disk"
    run_for(site, 60)
    assert site.state_of(cart) == "taken"


def test_a_cart_that_has_waited_for_long_goes_on_soon_after_its_file_was_seen_online(site: MemorySite) -> None:
    cart = posted(site, "a", 1)
    run_for(site, HOUR)
    site.archive.files["f0"].media = "disk"
    looks = site.database.tables.recalls["f0"].looks
    while site.database.tables.recalls["f0"].looks == looks:
        run_for(site, 5)
    run_for(site, SOON)
    assert site.state_of(cart) == "taken"


def test_the_job_that_looks_ends_when_no_file_is_recalled(site: MemorySite) -> None:
    cart = posted(site, "a", 1)
    run_for(site, 10)
    assert JobKind.LOOK in {job.kind for job in site.database.tables.jobs.values()}
    site.database.transaction(lambda: site.world.endings.retire(cart.id))
    run_for(site, 30)
    assert JobKind.LOOK not in {job.kind for job in site.database.tables.jobs.values()}


def recalled_by(site: MemorySite, archive_id: str, owner: str) -> RecallRow:
    return replace(site.database.tables.recalls[archive_id], owner=owner)


def allow(site: MemorySite, per_second: int) -> None:
    store = site.world.looks
    assert isinstance(store, MemoryTapeLookStore)
    store.policy = LookPolicy(per_second)


def posted(site: MemorySite, uid: str, files: int) -> Cart:
    """A cart of these files, all on tape, that has been looked up and recalled them; f0 and so on are everybody's."""
    errors = {name: dict(file.errors) for name, file in site.archive.files.items()}
    cart = site.post(uid, {f"f{number}": b"x" for number in range(files)}, media="tape")
    for name, methods in errors.items():
        site.archive.files[name].errors.update(methods)
    lease = site.lease(cart, JobKind.RECALL)
    outcome = site.recall_handler.run(lease)
    assert isinstance(outcome, Defer)
    site.world.jobs.defer(lease.job, outcome.delay)
    return cart


def poll(site: MemorySite) -> None:
    """Run the carts' jobs, but not the one that looks."""
    site.database.advance(2)
    run_due(site, JobKind.RECALL)


def run_for(site: MemorySite, seconds: float) -> list[str]:
    """Run the jobs that are due, as a worker would, for so long; return the errors of carts that failed."""
    ends, errors = site.database.now + seconds, []
    while site.database.now < ends:
        errors += run_due(site)
        dues = [max(row.due_at, row.lease_until) for row in site.database.tables.jobs.values() if row.kind in KINDS]
        site.database.advance(max(0.05, min([*dues, ends]) - site.database.now))
    return errors


KINDS = (JobKind.RECALL, JobKind.LOOK)


def run_due(site: MemorySite, *kinds: JobKind) -> list[str]:
    errors = []
    for row in list(site.database.tables.jobs.values()):
        message = JobMessage(row.id, row.token, "")
        if row.kind not in (kinds or KINDS) or (job := site.world.jobs.claim(message.job_id, row.token)) is None:
            continue
        lease = Lease(job, "receipt", site.stopping)
        try:
            outcome = (site.look_handler if row.kind == JobKind.LOOK else site.recall_handler).run(lease)
        except EntriesFailed as error:
            errors.append(error.message)
            site.database.transaction(lambda cart_id=row.cart_id: site.world.endings.retire(cart_id))  # type: ignore[misc]
            continue
        if isinstance(outcome, Defer):
            site.world.jobs.defer(lease.job, outcome.delay, outcome.reason, outcome.waits_for)
        else:
            assert isinstance(outcome, Done)
    return errors
