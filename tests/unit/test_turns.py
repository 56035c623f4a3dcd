"""Whose job a message brings: the fairest due one, within the worker's places; and what becomes of the message."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from chalicelib.db.states import WaitsFor
from chalicelib.job_message import JobMessage
from chalicelib.job_queue import JobQueue
from chalicelib.stores.job_row import Job, JobKind
from chalicelib.stores.manifest_row import ManifestRow
from chalicelib.stores.turns import SMALL_FILES
from tests.doubles.runner_site import POLICY, VISIBILITY, RunnerSite, returns
from tests.doubles.world import LEASE
from workers.runtime.claim_by_message import ClaimByMessage
from workers.runtime.lease import Lease
from workers.runtime.next_job import NextJob
from workers.runtime.outcomes import Defer, Done, Outcome
from workers.runtime.policy import ConsumerPolicy

LARGE = SMALL_FILES + 1


class Places:
    """A worker's places, and how it claims jobs by messages; nothing waits."""

    def __init__(self, slots: int) -> None:
        self.site = RunnerSite()
        self.world, self.queue = self.site.world, self.site.queue
        self.next_job = NextJob(self.world.jobs, self.world.due_jobs, slots)
        self.next_job.wait_for_place = self._wait  # type: ignore[method-assign]
        self.meanwhile: Callable[[], None] = lambda: None
        self.stopping = threading.Event()
        policy = replace(POLICY, hold_message=5.0, look_for_small=0.5)
        self.claims = ClaimByMessage(self.next_job, cast(JobQueue, self.queue), policy, self.site.database.clock)

    def post(self, uid: str, files: int = 1, owner: str = "") -> JobMessage:
        """Post a cart of this many files, and send its job's message."""
        cart_id = self.world.transaction(lambda: self.world.carts.insert(owner, uid, ManifestRow(uid, "d" * 64, files)))
        message = self.world.job(cart_id, JobKind.RECALL)
        self.queue.send([message])
        self.site.database.advance(0.01)
        return message

    def uid(self, job: Job | None) -> str:
        return self.world.carts.get(job.cart_id).uid if job else ""

    def receive(self) -> Job | None:
        """Receive one message, and claim what it brings."""
        (message,) = self.queue.receive(1, 0, VISIBILITY)
        return self.claims.claim(message, self.stopping)

    def _wait(self, seconds: float) -> None:
        self.site.database.advance(seconds)
        self.meanwhile()


def test_the_last_place_is_kept_for_small_carts() -> None:
    places = Places(slots=3)
    for number in range(4):
        places.post(f"large-{number}", LARGE)
    places.post("small")
    assert [places.uid(places.receive()) for _ in range(3)] == ["large-0", "large-1", "small"]


def test_small_carts_may_have_every_place() -> None:
    places = Places(slots=3)
    for number in range(3):
        places.post(f"small-{number}")
    assert all(places.receive() for _ in range(3))


def test_a_message_waits_for_a_place_while_large_jobs_hold_them_all() -> None:
    places = Places(slots=2)
    places.post("first", LARGE)
    places.post("second", LARGE)
    job = places.receive()
    assert job is not None

    def free() -> None:
        places.meanwhile = lambda: None
        places.world.jobs.finish(job, lambda: None)
        places.next_job.release(job)

    places.meanwhile = free
    assert places.uid(places.receive()) == "second"


def test_a_small_cart_that_comes_while_a_message_waits_has_its_place_at_once() -> None:
    places = Places(slots=2)
    for number in range(3):
        places.post(f"large-{number}", LARGE)
    assert places.receive() is not None
    began = places.site.database.now

    def post() -> None:
        places.meanwhile = lambda: None
        places.post("small")

    places.meanwhile = post
    assert places.uid(places.receive()) == "small"
    assert places.site.database.now - began < 1


def test_a_message_that_waited_in_vain_is_passed_on_and_counts_no_receive() -> None:
    places = Places(slots=2)
    first = places.post("first", LARGE)
    second = places.post("second", LARGE)
    assert places.receive() is not None
    places.queue.sent.clear()
    assert places.receive() is None
    assert [(sent.job_id, sent.token, delay) for sent, delay in places.queue.sent] == [(second.job_id, 0, 0)]
    assert len(places.queue) == 2, "the first message, which is held, and the second's copy"
    (copy,) = places.queue.receive(1, 0, VISIBILITY)
    assert f'"job": {second.job_id}' in copy.body
    assert first.job_id != second.job_id


def test_a_message_is_given_back_when_the_queue_takes_no_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places(slots=2)
    places.post("first", LARGE)
    places.post("second", LARGE)
    assert places.receive() is not None
    monkeypatch.setattr(places.queue, "send", lambda messages, delay=0: list(messages))
    assert places.receive() is None
    assert len(places.queue.receive(1, 0, VISIBILITY)) == 1


def test_a_worker_of_one_place_takes_a_small_cart_after_every_large_one() -> None:
    places = Places(slots=1)
    for number in range(3):
        places.post(f"large-{number}", LARGE)
    for number in range(2):
        places.post(f"small-{number}")
    assert served(places, 5) == ["large-0", "small-0", "large-1", "small-1", "large-2"]


def served(places: Places, turns: int) -> list[str]:
    """The carts served in so many turns, one after the other."""
    uids = []
    for _ in range(turns):
        job = places.receive()
        assert job is not None
        uids.append(places.uid(job))
        places.world.jobs.finish(job, lambda: None)
        places.next_job.release(job)
    return uids


def test_an_owner_of_many_small_carts_has_turns_for_a_large_one_as_well() -> None:
    places = Places(slots=1)
    places.post("large", LARGE, "ann")
    for number in range(10):
        places.post(f"small-{number}", 1, "ann")
        places.post(f"other-{number}", LARGE, "bob")
    places.next_job._line = "ann"
    assert "large" in served(places, 5)


def test_clean_ups_and_small_carts_leave_turns_for_the_large_carts_of_the_same_line() -> None:
    places = Places(slots=1)
    places.post("large", LARGE)
    for number in range(10):
        message = places.post(f"small-{number}")
        cart_id = places.site.database.tables.jobs[message.job_id].cart_id
        places.queue.send([places.world.job(cart_id, JobKind.CLEANUP)])
    assert "large" in served(places, 5)


def test_whichever_message_wakes_a_worker_owners_take_turns() -> None:
    places = Places(slots=9)
    for number in range(3):
        places.post(f"a{number}", owner="ann")
    places.post("b0", owner="bob")
    assert [places.uid(places.receive()) for _ in range(4)] == ["a0", "b0", "a1", "a2"]


def test_a_message_that_arrives_just_before_its_job_is_due_is_kept() -> None:
    """Clocks differ: were it deleted, its job would wait for the sweep."""
    site = RunnerSite()
    message = site.send()
    site.on(JobKind.WINDOW, returns(Defer(30, WaitsFor.TAPE, "on tape")))
    site.handle_next()
    site.database.advance(29.9)
    early = JobMessage(message.job_id, 1, "")
    site.queue.send([early])
    site.handle_next()
    assert len(site.queue) == 2
    site.database.advance(1)
    assert len(site.queue.receive(9, 0, VISIBILITY)) == 2


@pytest.mark.parametrize(("before", "token"), [(20.0, 1), (0.1, 0)])
def test_other_messages_that_find_nothing_due_are_deleted(before: float, token: int) -> None:
    """Long before its job is due a message is a stray copy; an earlier one's job has been claimed since."""
    site = RunnerSite()
    message = site.send()
    site.on(JobKind.WINDOW, returns(Defer(30, WaitsFor.TAPE, "on tape")))
    site.handle_next()
    site.database.advance(30 - before)
    site.queue.send([JobMessage(message.job_id, token, "")])
    site.handle_next()
    assert len(site.queue) == 1


def test_no_job_is_left_without_a_message_when_each_serves_another() -> None:
    """As many messages as jobs: whichever the workers take, each job is done, and none is left over."""
    site = RunnerSite()
    carts = [site.world.cart(f"cart-{number}") for number in range(5)]
    messages = [site.world.job(cart.id, JobKind.WINDOW) for cart in carts]
    turns: list[int] = []

    def script(lease: Lease, work: Any) -> Outcome:
        turns.append(lease.job.cart_id)
        if turns.count(lease.job.cart_id) < 3:
            return Defer(len(turns) % 3, WaitsFor.TURN, "others have their turn")
        return site.world.jobs.finish(lease.job, Done)

    site.on(JobKind.WINDOW, script)
    site.queue.send(list(reversed(messages)))
    for _ in range(100):
        received = site.queue.receive(1, 0, VISIBILITY)
        for message in received:
            site.runner.handle(message)
        if not received:
            site.database.advance(1)
    assert sorted(turns) == sorted(3 * [cart.id for cart in carts])
    assert (site.database.tables.jobs, len(site.queue)) == ({}, 0)


def test_a_worker_that_stops_gives_a_waiting_message_back() -> None:
    places = Places(slots=2)
    places.post("first", LARGE)
    places.post("second", LARGE)
    assert places.receive() is not None
    places.meanwhile = places.stopping.set
    assert places.receive() is None
    assert len(places.queue.receive(1, 0, VISIBILITY)) == 1


def test_a_job_whose_worker_died_is_taken_by_any_message() -> None:
    places = Places(slots=4)
    places.post("dead")
    assert places.receive() is not None
    places.site.database.advance(LEASE + 1)
    places.post("next")
    assert places.uid(places.receive()) == "dead", "by the message of the other, and it was in line before"
    places.site.database.advance(VISIBILITY)
    assert places.uid(places.receive()) == "next", "by the message of the first, which its worker did not delete"


def test_a_policy_holds_a_message_for_less_than_it_stays_hidden() -> None:
    policy = ConsumerPolicy(slots=4, visibility=31)
    assert policy.hold_message + policy.look_for_small < policy.visibility


def test_a_worker_does_not_ask_again_and_again_for_a_job_that_nobody_can_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places(slots=2)
    message = places.post("stuck")
    asked = list[int]()

    def locked(job_id: int, token: int) -> None:
        asked.append(job_id)
        assert len(asked) < 10

    monkeypatch.setattr(places.world.jobs, "claim", locked)
    assert places.next_job.claim() is None
    assert set(asked) == {message.job_id}
