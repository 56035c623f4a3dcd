"""Contract of turns: the lines take turns, and the carts of a line; small carts can be asked for alone."""

from __future__ import annotations

import pytest

from chalicelib.job_message import Claim
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.job_row import Job, JobKind
from chalicelib.stores.manifest_row import ManifestRow
from chalicelib.stores.turns import HOUSEKEEPING, SMALL_BYTES, SMALL_FILES, Turn
from tests.doubles.world import LEASE, World

LARGE = SMALL_FILES + 1


class Office:
    """One worker that claims job after job; `carts`: uid -> cart."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.uids: dict[int, str] = {}
        self.line = ""

    def post(self, uid: str, owner: str = "", files: int = LARGE, jobs: int = 1) -> Cart:
        """A cart of this many windows that are jobs; each joins its line a moment after the one before."""
        cart = self.world.cart(uid, 0, owner) if files == 0 else self.cart(uid, owner, files)
        self.uids[cart.id] = uid
        for number in range(jobs):
            self.world.job(cart.id, JobKind.WINDOW, number)
            self.world.advance(0.01)
        return cart

    def cart(self, uid: str, owner: str, files: int) -> Cart:
        cart_id = self.world.transaction(lambda: self.world.carts.insert(owner, uid, ManifestRow(uid, "d" * 64, files)))
        return self.world.carts.get(cart_id)

    def serve(self, *, only_small: bool = False) -> Job | None:
        for job_id, token in self.world.due_jobs.next(Turn(self.line, only_small)):
            job = self.world.jobs.claim(job_id, token)
            if job is not None:
                self.line = job.line
                return job
        return None

    def order(self, count: int) -> str:
        """The uids of the next `count` jobs, each finished a moment after it was claimed."""
        served = ""
        for _ in range(count):
            job = self.serve()
            assert job is not None
            served += self.uids[job.cart_id]
            self.world.advance(0.01)
            self.world.jobs.finish(job, lambda: None)
        return served


@pytest.fixture
def office(world: World) -> Office:
    return Office(world)


def test_owners_take_turns_however_many_jobs_each_has(office: Office) -> None:
    office.post("a", "ann", jobs=6)
    office.post("b", "ann", jobs=6)
    office.post("x", "bob", jobs=2)
    office.post("y", "cid", jobs=1)
    assert office.order(9) == "axybxabab"


def test_the_carts_of_one_owner_take_turns(office: Office) -> None:
    office.post("a", jobs=4)
    office.post("b", jobs=2)
    office.post("c", jobs=3)
    assert office.order(9) == "abcabcaca"


def test_a_new_cart_waits_for_one_turn_of_each_older_one(office: Office) -> None:
    for uid in "abc":
        office.post(uid, jobs=8)
    assert office.order(4) == "abca"
    office.post("n")
    assert office.order(4) == "bcan"


def test_an_owner_that_comes_late_is_next_at_once(office: Office) -> None:
    for uid in "abc":
        office.post(uid, "ann", jobs=8)
    assert office.order(4) == "abca"
    office.post("z", "bob")
    assert office.order(2) in ("zb", "bz")


def test_a_job_that_gives_up_its_turn_joins_the_end_of_its_line(office: Office) -> None:
    for uid in "abc":
        office.post(uid)
    first = office.serve()
    assert first is not None
    office.world.advance(1)
    assert office.world.jobs.defer(first, 0, "others have their turn")
    assert office.order(3) == "bca"


def test_clean_ups_and_reconciliations_share_one_line(office: Office, world: World) -> None:
    for number in range(5):
        world.job(office.post(f"gone-{number}", "ann", jobs=0).id, JobKind.CLEANUP)
    world.job(0, JobKind.RECONCILE)
    office.post("a", "ann", jobs=3)
    lines = []
    for _ in range(9):
        job = office.serve()
        assert job is not None
        lines.append(job.line)
    assert lines == [HOUSEKEEPING, "ann"] * 3 + [HOUSEKEEPING] * 3


def test_small_carts_can_be_asked_for_alone(office: Office) -> None:
    office.post("large", files=SMALL_FILES + 1)
    assert office.serve(only_small=True) is None
    small = office.post("small", files=SMALL_FILES)
    job = office.serve(only_small=True)
    assert job is not None
    assert (job.cart_id, job.small) == (small.id, 1)


def test_a_cart_of_few_large_files_is_no_small_cart_once_they_are_known(office: Office, world: World) -> None:
    cart = office.post("few", files=2)
    job = office.serve()
    assert job is not None
    assert job.small
    layout = {"part_size": 1, "windows_total": 1, "bundle_size": 1, "upload_id": "", "bytes_total": SMALL_BYTES + 1}
    world.carts.begin_staging(cart.id)
    assert world.transaction(lambda: world.carts.record_layout(world.carts.get(cart.id), **layout))
    assert world.jobs.defer(job, 0)
    assert office.serve(only_small=True) is None
    job = office.serve()
    assert job is not None
    assert not job.small


@pytest.mark.parametrize("kind", [JobKind.MANIFEST, JobKind.UPLOAD, JobKind.ASSIST])
def test_what_may_take_long_does_not_have_the_places_of_small_carts(office: Office, world: World, kind: str) -> None:
    world.job(office.post("small", files=1, jobs=0).id, kind)
    assert office.serve(only_small=True) is None
    assert office.serve() is not None


@pytest.mark.parametrize("kind", [JobKind.CLEANUP, JobKind.RECONCILE])
def test_housekeeping_has_the_places_of_small_carts_as_well(office: Office, world: World, kind: str) -> None:
    message = world.job(office.post("large", files=SMALL_FILES + 1, jobs=0).id, kind)
    job = office.serve(only_small=True)
    assert job is not None
    assert world.jobs.defer(job, 0)
    job = office.serve(only_small=True)
    assert job is not None
    assert job.id == message.job_id


def test_held_deferred_and_parked_jobs_are_not_due_until_they_are(world: World) -> None:
    held, deferred, parked = (world.claimed(cart) for cart in (7, 8, 9))
    assert world.jobs.defer(deferred, 10)
    assert world.jobs.park(parked, 10, "not urgent", 0)
    assert (world.due_jobs.next(Turn()), world.due_jobs.any_due()) == ([], False)
    world.advance(10)
    assert world.due_jobs.any_due()
    assert world.due_jobs.next(Turn()) == [Claim(deferred.id, deferred.token)]
    world.advance(LEASE)
    assert {claim.job_id for claim in world.due_jobs.next(Turn())} == {held.id, deferred.id}
    world.unsent_jobs.take_due(10, lambda: 10)
    assert {claim.job_id for claim in world.due_jobs.next(Turn())} == {held.id, deferred.id, parked.id}


def test_many_jobs_that_become_due_at_once_are_all_served_the_first_first(world: World) -> None:
    jobs = [world.claimed(number) for number in range(150)]
    for job in jobs:
        assert world.jobs.defer(job, 10)
        world.advance(0.01)
    world.advance(20)
    served = []
    while claims := world.due_jobs.next(Turn()):
        found = world.jobs.claim(*claims[0])
        assert found is not None
        served.append(found.id)
        world.jobs.finish(found, lambda: None)
    assert served == [job.id for job in jobs]


def test_the_time_until_a_job_is_due_is_known_until_it_is_claimed(world: World) -> None:
    job = world.claimed(7)
    assert world.due_jobs.seconds_until_due(job.claim) is None, "it is held"
    assert world.jobs.defer(job, 10)
    assert world.due_jobs.seconds_until_due(job.claim) == pytest.approx(10, abs=5)
    world.advance(10)
    assert world.jobs.claim(*job.claim) is not None
    assert world.due_jobs.seconds_until_due(job.claim) is None
    assert world.due_jobs.seconds_until_due(Claim(job.id + 1, 0)) is None
