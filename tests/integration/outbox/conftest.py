"""A system that tells who asked, and what its tests do with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from chalicelib.caller import Caller
from chalicelib.config.log_context import logged_fields
from chalicelib.db.database import Database
from chalicelib.db.operating_models import Notifications
from chalicelib.notify.asked import Channel
from chalicelib.posting.notify_rights import NotifyPolicy
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.carts import CartStore
from tests.callers import caller
from tests.integration.posting import Posting
from workers.notifying.courier import Courier, CourierPolicy, Sender
from workers.notifying.event import Event
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
