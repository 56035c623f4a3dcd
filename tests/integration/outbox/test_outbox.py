"""Who is told of a cart's end, and that nothing is told before or never."""

from __future__ import annotations

import logging

import pytest

from chalicelib.caller import Caller
from chalicelib.db.database import Database
from chalicelib.errors import InvalidManifest, LimitReached
from chalicelib.notify.asked import Channel, Target
from chalicelib.stores.carts import CartStore
from chalicelib.stores.outbox import OutboxStore
from tests.callers import ANYONE
from tests.integration.outbox.conftest import (
    ANN,
    HOOK,
    OTHER,
    POLICY,
    WITH_MAIL,
    finish,
    post,
    told,
)
from tests.integration.posting import Posting


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
