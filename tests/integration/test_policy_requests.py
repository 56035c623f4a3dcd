"""What a policy refuses at a POST and at a download, and how often it is asked, on both databases."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from chalicelib.caller import Caller
from chalicelib.db.database import Database
from chalicelib.db.models import Carts, Entries, Jobs
from chalicelib.errors import NotAllowed, PolicyUnavailable
from chalicelib.policy.asked_service import AskedService
from chalicelib.policy.asking import IN_REQUEST
from chalicelib.policy.download_rights import AskingTimes, DownloadRights
from chalicelib.policy.posting_rights import PostingRights
from chalicelib.stores.cart_rights import CartRightsStore
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.carts import CartStore
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.owner_usage import OwnerUsageStore
from tests.callers import caller
from tests.integration.posting import Posting, RecordingQueue
from tests.policy_server import PolicyServer, policy_server

ANN, BOB = caller("ann", groups=("staff",)), caller("bob")


@pytest.fixture
def server() -> Iterator[PolicyServer]:
    with policy_server() as running:
        yield running


class Guarded:
    """Carts of a database whose policy is a server's; a cart of any size is ready at once."""

    def __init__(self, database: Database, server: PolicyServer, times: AskingTimes) -> None:
        self.database, self.posting, self.queue = database, Posting(database), RecordingQueue()
        self.carts, self.groups, self.rights = CartStore(database), OwnerUsageStore(database), CartRightsStore(database)
        policy, entries, jobs = AskedService(server.url), EntryStore(database), JobStore(database, 30)
        queue = cast(Any, self.queue)
        self.at_post = PostingRights(policy)
        self.at_download = DownloadRights(
            policy, database, self.rights, entries, jobs, self.groups, queue, times, lambda seconds: time.sleep(0.02)
        )

    def ready(self, owner: Caller = ANN, files: int = 2) -> Cart:
        names = [{"id": str(number), "path": str(number)} for number in range(files)]
        self.posting.service.create(owner, "c", json.dumps({"fileids": names}).encode())
        with self.database.session() as db:
            Carts.update(state="ready").execute(db)
            Jobs.delete().execute(db)
        return self.carts.find(owner.owner, "c")

    def set(self, **columns: Any) -> None:
        with self.database.session() as db:
            Carts.update(**columns).execute(db)

    def jobs(self) -> list[str]:
        with self.database.session() as db:
            return [kind for (kind,) in Jobs.select(Jobs.kind).tuples().execute(db)]


@pytest.fixture
def guarded(database: Database, server: PolicyServer) -> Guarded:
    return Guarded(database, server, AskingTimes(300))


def check_post(guarded: Guarded, who: Caller, *names: str) -> None:
    guarded.at_post.check(who, len(names), names)


def test_a_post_is_refused_by_places(guarded: Guarded, server: PolicyServer) -> None:
    server.refused = {"b", "d"}
    with pytest.raises(NotAllowed, match=r"^This login may not read fileids\[1\], fileids\[3\], fileids\[4\]\.$"):
        check_post(guarded, ANN, "a", "b", "c", "d", "b")
    check_post(guarded, ANN, "a", "c")
    assert server.questions[0] == {"owner": "ann", "groups": ["staff"], "ids": ["a", "b", "c", "d"]}


def test_a_post_of_more_files_is_left_to_a_worker(guarded: Guarded, server: PolicyServer) -> None:
    check_post(guarded, ANN, *[str(number) for number in range(IN_REQUEST + 1)])
    assert server.questions == []
    check_post(guarded, ANN, *[str(number) for number in range(IN_REQUEST)])
    assert len(server.questions) == 5


def test_a_refused_post_makes_nothing_and_one_nobody_answers_for_neither(
    guarded: Guarded, server: PolicyServer
) -> None:
    poster = guarded.posting.service._poster
    poster._rights = guarded.at_post
    body = b'{"fileids": [{"id": "a", "path": "a"}]}'
    server.refused = {"a"}
    with pytest.raises(NotAllowed):
        guarded.posting.service.create(ANN, "c", body)
    server.misbehave = lambda question: (500, b"")
    with pytest.raises(PolicyUnavailable):
        guarded.posting.service.create(ANN, "c", body)
    with guarded.database.session() as db:
        assert (Carts.select().count(db), Entries.select().count(db), guarded.jobs()) == (0, 0, [])
    assert guarded.groups.groups_of("ann") == ("staff",)


def test_a_download_asks_once_within_the_ttl(guarded: Guarded, server: PolicyServer) -> None:
    cart = guarded.ready()
    for _ in range(3):
        guarded.at_download.check(cart, ANN)
    assert [question["owner"] for question in server.questions] == ["ann"]
    server.refused = {"1"}
    guarded.at_download.check(cart, ANN)
    guarded.set(allowed_at=time.time() - 400)
    with pytest.raises(NotAllowed, match=r"fileids\[1\]\."):
        guarded.at_download.check(cart, ANN)


def test_a_refusal_stands_for_a_few_seconds_and_rights_may_come_back(guarded: Guarded, server: PolicyServer) -> None:
    cart = guarded.ready()
    server.refused = {"0"}
    for _ in range(3):
        with pytest.raises(NotAllowed, match=r"fileids\[0\]\."):
            guarded.at_download.check(cart, ANN)
    assert len(server.questions) == 1
    server.refused = set()
    guarded.set(policy_asked_at=time.time() - 6)
    guarded.at_download.check(cart, ANN)


def test_while_nobody_answers_nothing_is_handed_out(guarded: Guarded, server: PolicyServer) -> None:
    cart = guarded.ready()
    guarded.at_download.check(cart, ANN)
    guarded.set(allowed_at=time.time() - 400)
    server.misbehave = lambda question: (200, b"<html>")
    for _ in range(2):
        with pytest.raises(PolicyUnavailable):
            guarded.at_download.check(cart, ANN)
    server.misbehave = None
    guarded.at_download.check(cart, ANN)


def _at_once(checks: int, check: Callable[[], None]) -> list[str]:
    together = threading.Barrier(checks)

    def run() -> str:
        together.wait()
        try:
            check()
        except (NotAllowed, PolicyUnavailable) as error:
            return type(error).__name__
        return "allowed"

    with ThreadPoolExecutor(checks) as pool:
        return [each.result() for each in [pool.submit(run) for _ in range(checks)]]


@pytest.mark.parametrize("answer", ["allowed", "NotAllowed", "PolicyUnavailable"])
def test_of_concurrent_downloads_one_asks_and_all_have_its_answer(
    guarded: Guarded, server: PolicyServer, answer: str
) -> None:
    cart = guarded.ready()

    def slow(question: dict[str, Any]) -> tuple[int, bytes]:
        time.sleep(1.5)
        allowed = question["ids"] if answer == "allowed" else []
        return (500 if answer == "PolicyUnavailable" else 200), json.dumps({"allowed": allowed}).encode()

    server.misbehave = slow
    guarded.at_download._times = AskingTimes(300, look_every=0.1)
    assert set(_at_once(6, lambda: guarded.at_download.check(cart, ANN))) == {answer}
    if answer != "PolicyUnavailable":
        assert len(server.questions) == 1


def test_who_died_while_asking_is_replaced(guarded: Guarded, server: PolicyServer) -> None:
    cart = guarded.ready()
    assert guarded.rights.claim(cart.id, 5, 30)
    with pytest.raises(PolicyUnavailable):
        guarded.at_download.check(cart, ANN)
    assert server.questions == []
    guarded.set(policy_asked_at=time.time() - 31)
    guarded.at_download.check(cart, ANN)


def test_anyone_else_is_asked_about_each_time_and_changes_nothing_for_the_owner(
    guarded: Guarded, server: PolicyServer
) -> None:
    cart = guarded.ready()
    server.refused_to = {"bob": {"1"}}
    guarded.at_download.check(cart, ANN)
    for _ in range(2):
        with pytest.raises(NotAllowed, match=r"This login may not read fileids\[1\]\."):
            guarded.at_download.check(cart, BOB)
    guarded.at_download.check(cart, ANN)
    assert [question["owner"] for question in server.questions] == ["ann", "bob", "bob"]


def test_a_link_reads_with_the_groups_of_the_owners_last_login(guarded: Guarded, server: PolicyServer) -> None:
    cart = guarded.ready()
    guarded.groups.remember_groups("ann", ("staff", "beam"))
    guarded.at_download.check(cart, Caller("ann", "ann", frozenset()))
    assert server.questions[0]["groups"] == ["beam", "staff"]
    guarded.set(allowed_at=None)
    guarded.at_download.check(cart, caller("ann"))
    assert (server.questions[1]["groups"], guarded.groups.groups_of("ann")) == ([], ())


def test_about_a_large_cart_one_job_asks_however_many_come(guarded: Guarded, server: PolicyServer) -> None:
    cart = guarded.ready(files=IN_REQUEST + 1)
    assert set(_at_once(4, lambda: guarded.at_download.check(cart, ANN))) == {"PolicyUnavailable"}
    guarded.set(policy_asked_at=time.time() - 90)  # the worker is slow
    with pytest.raises(PolicyUnavailable, match="A worker asks"):
        guarded.at_download.check(cart, ANN)
    assert (guarded.jobs(), len(guarded.queue.sent), server.questions) == ([JobKind.POLICY], 1, [])
    with pytest.raises(NotAllowed, match="Only the owner"):
        guarded.at_download.check(cart, BOB)


def test_a_workers_answer_stands_long_enough_to_be_used(database: Database, server: PolicyServer) -> None:
    guarded = Guarded(database, server, AskingTimes(ttl=1))
    cart = guarded.ready(files=IN_REQUEST + 1)
    guarded.set(allowed_at=time.time() - 20)
    guarded.at_download.check(cart, ANN)
    guarded.set(allowed_at=None, policy_asked_at=time.time() - 20, policy_refusal="no")
    with pytest.raises(NotAllowed, match="no"):
        guarded.at_download.check(cart, ANN)


def test_a_cart_whose_entries_are_being_deleted_is_not_handed_out(guarded: Guarded) -> None:
    cart = guarded.ready()
    with guarded.database.session() as db:
        Entries.delete().where(Entries.position == 1).execute(db)
    with pytest.raises(PolicyUnavailable):
        guarded.at_download.check(cart, ANN)


def test_nobody_has_no_row_of_groups(guarded: Guarded, server: PolicyServer) -> None:
    guarded.groups.remember_groups("", ("staff",))
    assert guarded.groups.groups_of("") == ()
    check_post(guarded, caller(""), "a")
    assert server.questions[0]["owner"] == ""
