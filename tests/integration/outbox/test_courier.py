"""How notifications are delivered: what a kill at each step leaves, and who waits for whom."""

from __future__ import annotations

import pytest

from chalicelib.db.database import Database
from chalicelib.db.operating_models import Notifications
from tests.callers import caller
from tests.integration.outbox.conftest import (
    ANN,
    HOOK,
    OTHER,
    Receiver,
    deliver,
    finish,
    make_due,
    post,
    rows,
    told,
)
from tests.integration.posting import Posting
from workers.notifying.courier import Courier, CourierPolicy
from workers.notifying.results import NeverDelivered, NotDelivered
from workers.stores.notifications import NotificationStore


def test_it_is_delivered_once_where_nothing_fails(posting: Posting, courier: Courier, receiver: Receiver) -> None:
    finish(posting, cart := post(posting, "a", {"webhook": HOOK}))
    deliver(courier)
    make_due(posting.database)
    deliver(courier)
    assert receiver.fields == [{"uid": "a", "owner": "ann", "cart": cart.id}]  # of the lines that are logged meanwhile
    [event] = receiver.got
    assert event.document()["data"] == {
        "uid": "a",
        "status": "ready",
        "message": "",
        "url": "https://cart.example.org/a",
        "size": 9,
        "files": 1,
    }
    assert rows(posting.database, Notifications.open, Notifications.attempts) == [(None, 1)]


def test_a_worker_that_dies_after_its_claim_or_after_sending_loses_nothing(
    posting: Posting, courier: Courier, store: NotificationStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(posting, post(posting, "a", {"webhook": HOOK}))
    [due] = store.due(10)
    dead = store.claim(due)
    assert dead is not None
    assert (store.claim(due), store.due(10)) == (None, [])  # claimed: no other worker sends it meanwhile
    make_due(posting.database)
    with monkeypatch.context() as patch:
        patch.setattr(store, "delivered", lambda _: 1 / 0)  # killed between sending and recording
        deliver(courier)
    assert store.due(10) == []
    make_due(posting.database)
    deliver(courier)
    assert len({event.id for event in receiver.got}) == 1
    assert len(receiver.got) == 2
    assert not store.delivered(dead)  # a late write of the first worker
    assert rows(posting.database, Notifications.open, Notifications.attempts) == [(None, 3)]


def test_failures_wait_longer_each_time_and_as_long_as_the_receiver_asks(
    posting: Posting, courier: Courier, receiver: Receiver
) -> None:
    finish(posting, post(posting, "a", {"webhook": HOOK}))
    waits = []
    for after in (0.0, 0.0, 0.0, 500.0):
        receiver.raises.append(NotDelivered("it answers 503", after))
        deliver(courier)
        [(due_at,)] = rows(posting.database, Notifications.due_at)
        waits.append(round((due_at - posting.database.clock()) / 5))
        make_due(posting.database)
    assert waits == [1, 2, 4, 100]
    assert rows(posting.database, Notifications.last_error) == [("it answers 503",)]


@pytest.mark.parametrize("ends", ["gone", "old", "deleted"])
def test_it_is_given_up_when_it_is_gone_or_three_days_old_or_the_cart_is_deleted(
    posting: Posting, courier: Courier, receiver: Receiver, ends: str
) -> None:
    database = posting.database
    finish(posting, post(posting, "a", {"webhook": HOOK}))
    receiver.raises = [NeverDelivered("410") if ends == "gone" else NotDelivered("503")]
    if ends == "old":
        with database.session() as db:
            Notifications.update(created_at=database.now - 3 * 86400 - 1).execute(db)
    if ends == "deleted":
        posting.service.delete(ANN, "a")
    deliver(courier)
    [(is_open, given_up_at)] = rows(database, Notifications.open, Notifications.given_up_at)
    assert is_open is None
    assert given_up_at is not None
    assert len(receiver.got) == (0 if ends == "deleted" else 1)


def test_a_host_that_is_slow_does_not_hold_up_the_others(
    posting: Posting, courier: Courier, store: NotificationStore
) -> None:
    for uid, url in (("a", HOOK), ("b", HOOK), ("c", HOOK)):
        finish(posting, post(posting, uid, {"webhook": url}))
    finish(posting, post(posting, "d", {"webhook": OTHER}, caller("bob")))
    chosen, crowded = courier._choose(store.due(10))
    assert [found.uid for found in chosen] == ["a", "b", "d"]
    assert [found.uid for found in crowded] == ["c"]


def test_an_owner_with_many_slow_hosts_does_not_hold_up_the_others(
    posting: Posting, courier: Courier, store: NotificationStore
) -> None:
    courier._policy = CourierPolicy(slots=6, per_owner=2)
    for uid in ("a", "b", "c"):
        finish(posting, post(posting, uid, {"webhook": f"https://{uid}.example.org/"}))
    finish(posting, post(posting, "d", {"webhook": OTHER}, caller("bob")))
    chosen, crowded = courier._choose(store.due(10))
    assert [found.uid for found in chosen] == ["a", "b", "d"]
    assert [found.uid for found in crowded] == ["c"]


def test_a_receiver_that_takes_them_gets_one_after_the_other_and_one_that_fails_does_not(
    posting: Posting, courier: Courier, receiver: Receiver
) -> None:
    for number in range(3):
        finish(posting, post(posting, f"a{number}", {"webhook": HOOK}))
    courier._policy = CourierPolicy(slots=1, per_place=1)
    deliver(courier)
    assert [event.uid for event in receiver.got] == ["a0", "a1", "a2"]
    for uid in ("b", "c"):
        finish(posting, post(posting, uid, {"webhook": HOOK}))
    receiver.raises.append(NotDelivered("503"))
    deliver(courier)
    assert len(receiver.got) == 4


def test_what_another_worker_has_claimed_is_not_postponed(posting: Posting, store: NotificationStore) -> None:
    finish(posting, post(posting, "a", {"webhook": HOOK}))
    due = store.due(10)
    store.claim(due[0])
    [(until,)] = rows(posting.database, Notifications.due_at)
    store.postpone(due, 3.0)
    assert rows(posting.database, Notifications.due_at) == [(until,)]


def test_an_error_of_a_library_is_an_attempt_like_any_other(
    posting: Posting, courier: Courier, receiver: Receiver
) -> None:
    finish(posting, post(posting, "a", {"webhook": HOOK}))
    receiver.raises.append(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "what a receiver made it raise"))
    deliver(courier)
    [(due_at, error)] = rows(posting.database, Notifications.due_at, Notifications.last_error)
    assert error == "the attempt failed: UnicodeDecodeError"
    assert due_at < posting.database.clock() + 10


def test_of_an_error_nobody_is_told_once_the_cart_has_begun_again(
    posting: Posting, courier: Courier, receiver: Receiver
) -> None:
    cart, database = post(posting, "a", {"webhook": HOOK}), posting.database
    database.transaction(lambda: posting.endings.fail(cart.id, "the archive is down"))
    failed = posting.carts.get(cart.id)
    assert database.transaction(lambda: posting.carts.operated.restart(failed, "it is up again"))
    deliver(courier)
    assert receiver.got == []
    finish(posting, posting.carts.get(cart.id))
    deliver(courier)
    assert [(event.status, event.message) for event in receiver.got] == [("ready", "")]


def test_the_sweep_deletes_what_was_over_for_a_week(posting: Posting, courier: Courier, database: Database) -> None:
    for uid in ("old", "open"):
        finish(posting, post(posting, uid, {"webhook": HOOK}))
    with database.session() as db:
        week = database.now - 8 * 86400
        Notifications.update(created_at=week).execute(db)
        over = Notifications.update(open=None, delivered_at=week, due_at=week)
        over.where(Notifications.uid == "old").execute(db)
    assert posting.outbox.delete_over(7 * 86400, 10) == 1
    assert [row[0] for row in told(database)] == ["open"]
