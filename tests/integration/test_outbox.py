"""Who is told of a cart's end, what a kill at each step leaves, and that nothing is told before or never."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from chalicelib.caller import Caller
from chalicelib.config.log_context import logged_fields
from chalicelib.db.database import Database
from chalicelib.db.operating_models import Notifications
from chalicelib.errors import InvalidManifest, LimitReached
from chalicelib.notify.asked import Channel, Target
from chalicelib.posting.notify_rights import NotifyPolicy
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.carts import CartStore
from chalicelib.stores.outbox import OutboxStore
from tests.callers import ANYONE, caller
from tests.integration.posting import Posting
from workers.notifying.courier import Courier, CourierPolicy, Sender
from workers.notifying.event import Event
from workers.notifying.results import NeverDelivered, NotDelivered
from workers.stores.notifications import NotificationStore

HOOK, OTHER = "https://lab.example.org/hook", "https://other.example.org/hook"
ANN = caller("ann")
WITH_MAIL = Caller("ann", "ann", ANN.scopes, mail="ann@lab.example.org")
POLICY = NotifyPolicy(allowed_hosts=("box",), mail=True, domains=("lab.example.org",), limit=3)


class Receiver:
    """A sender that records what it is given, and fails as it is told."""

    def __init__(self) -> None:
        self.got: list[Event] = []
        self.fields: list[Mapping[str, object]] = []
        self.raises: list[Exception] = []

    def send(self, where: str, event: Event) -> None:
        self.got.append(event)
        self.fields.append(logged_fields())
        if self.raises:
            raise self.raises.pop()


@pytest.fixture
def posting(database: Database) -> Posting:
    found = Posting(database, notify=POLICY)
    found.notify_keys.publish("key", 60)
    return found


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def store(database: Database) -> NotificationStore:
    return NotificationStore(database)


@pytest.fixture
def courier(store: NotificationStore, database: Database, receiver: Receiver) -> Iterator[Courier]:
    senders: dict[str, Sender] = dict.fromkeys(Channel, receiver)
    made = Courier(store, senders, "https://cart.example.org/", database.clock, database.close, CourierPolicy(slots=3))
    yield made
    made.stop()


def post(posting: Posting, uid: str, notify: object = None, who: Caller = ANN) -> Cart:
    document = {"fileids": [{"id": "f", "path": "f"}], "notify": notify}
    posting.service.create(who, uid, json.dumps(document).encode())
    return posting.service.find(who, uid)


def finish(posting: Posting, cart: Cart, carts: CartStore | None = None) -> None:
    carts, layout = carts or posting.carts, {"part_size": 5, "bytes_total": 4, "windows_total": 1, "bundle_size": 9}
    assert carts.begin_staging(cart.id)

    def write() -> bool:
        laid_out = carts.get(cart.id)
        carts.record_layout(laid_out, **layout)
        return carts.mark_ready(carts.get(cart.id), 9, "e", "crc64nvme=x")

    assert posting.database.transaction(write)


def rows(database: Database, *columns: Any) -> list[tuple[Any, ...]]:
    with database.session() as db:
        return list(Notifications.select(*columns).order_by(Notifications.id).tuples().execute(db))


def told(database: Database) -> list[tuple[Any, ...]]:
    return rows(database, Notifications.uid, Notifications.event, Notifications.channel, Notifications.target)


def make_due(database: Database) -> None:
    with database.session() as db:
        Notifications.update(due_at=database.now - 1).where(Notifications.open == 1).execute(db)


def deliver(courier: Courier) -> None:
    for future in courier.round():
        future.result(10)


def test_a_cart_tells_when_it_is_ready_and_not_before(posting: Posting) -> None:
    cart = post(posting, "a", {"webhook": HOOK, "mail": "bob@lab.example.org"})
    assert told(posting.database) == []
    finish(posting, cart)
    assert sorted(told(posting.database)) == [
        ("a", "ready", "mail", "bob@lab.example.org"),
        ("a", "ready", "webhook", HOOK),
    ]


def test_a_cart_that_fails_tells_and_one_that_is_deleted_or_replaced_does_not(posting: Posting) -> None:
    failed, _, _ = (post(posting, uid, {"webhook": HOOK}) for uid in ("failed", "deleted", "replaced"))
    posting.database.transaction(lambda: posting.endings.fail(failed.id, "no such file"))
    posting.service.delete(ANN, "deleted")
    posting.service.create(ANN, "replaced", b'{"fileids": [{"id": "other", "path": "f"}]}')
    assert told(posting.database) == [("failed", "error", "webhook", HOOK)]


def test_a_cart_that_tells_nobody_costs_no_statement_more(posting: Posting, caplog: pytest.LogCaptureFixture) -> None:
    cart = posting.carts.get(post(posting, "a").id)
    posting.carts.begin_staging(cart.id)
    caplog.set_level(logging.DEBUG, "peewee")
    posting.database.transaction(lambda: posting.carts.mark_ready(cart, 9, "e", ""))
    kinds = [str(record.args or record.msg).partition('"')[0][:12] for record in caplog.records]
    written = [kind for kind in kinds if "UPDATE" in kind or "INSERT" in kind]
    assert len(written) == 2, written  # the change, and its row of the history
    assert told(posting.database) == []


def test_who_is_told_of_every_cart_is_told_of_this_one(posting: Posting) -> None:
    outbox = OutboxStore(posting.database, [Target(Channel.TOPIC, "arn:topic"), Target(Channel.BUS, "bus")])
    finish(posting, post(posting, "a", {"webhook": HOOK}), CartStore(posting.database, outbox=outbox))
    assert [row[2] for row in told(posting.database)] == ["topic", "bus", "webhook"]


def test_the_same_manifest_with_another_notify_changes_whom_to_tell(posting: Posting) -> None:
    cart = post(posting, "a", {"webhook": HOOK})
    assert post(posting, "a", {"webhook": OTHER}).id == post(posting, "a").id == cart.id
    finish(posting, cart)
    assert told(posting.database) == [("a", "ready", "webhook", OTHER)]


def test_of_a_cart_that_is_ready_it_tells_at_once_and_not_again(posting: Posting) -> None:
    finish(posting, cart := post(posting, "a"))
    for notify in ({"webhook": HOOK}, {"webhook": HOOK}, None, {"webhook": OTHER}):
        assert post(posting, "a", notify).id == cart.id
    assert [row[3] for row in told(posting.database)] == [HOOK, OTHER]


def test_a_notify_that_comes_while_the_cart_ends_is_not_lost(posting: Posting) -> None:
    """The worker has read the cart before; the POST comes before its last statement."""
    cart = post(posting, "a")
    posting.carts.begin_staging(cart.id)
    read_before = posting.carts.get(cart.id)
    post(posting, "a", {"webhook": HOOK})
    posting.database.transaction(lambda: posting.carts.mark_ready(read_before, 9, "e", ""))
    assert told(posting.database) == [("a", "ready", "webhook", HOOK)]


@pytest.mark.parametrize(
    ("who", "notify", "problem"),
    [
        (ANN, {"webhook": "https://169.254.169.254/latest/meta-data/"}, "must have a host name, not an address"),
        (ANN, {"webhook": "http://lab.example.org/"}, "must be a https URL"),
        (ANYONE, {"webhook": HOOK}, "without a login, only hosts in NOTIFY_ALLOWED_HOSTS may be called"),
        (ANN, {"mail": True}, "your login has no verified mail address"),
        (WITH_MAIL, {"mail": "eve@example.org"}, "must be the verified address of your login, or one of a domain"),
    ],
)
def test_who_may_not_be_told(posting: Posting, who: Caller, notify: object, problem: str) -> None:
    with pytest.raises(InvalidManifest, match=f"^notify.(webhook|mail): {problem}"):
        post(posting, "a", notify, who)
    assert posting.carts.live(who.owner, "a") is None


def test_the_address_of_a_login_and_allowed_hosts_may_be_told(posting: Posting) -> None:
    finish(posting, post(posting, "a", {"mail": True}, WITH_MAIL))
    post(posting, "b", {"webhook": "http://box:8080/"}, ANYONE)
    assert told(posting.database) == [("a", "ready", "mail", "ann@lab.example.org")]


def test_without_a_key_a_webhook_is_refused(database: Database) -> None:
    with pytest.raises(InvalidManifest, match="its workers have no NOTIFY_SIGNING_KEY"):
        post(Posting(database, notify=POLICY), "a", {"webhook": HOOK})


def test_an_owner_has_only_so_many_open_notifications(posting: Posting) -> None:
    for uid in ("a", "b", "c"):
        finish(posting, post(posting, uid, {"webhook": HOOK}))
    with pytest.raises(LimitReached, match="3 notifications to be delivered"):
        post(posting, "d", {"webhook": HOOK})
    assert post(posting, "d").uid == "d"


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
