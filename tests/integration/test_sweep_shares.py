"""Shares on both databases: many that are made at once, and what the sweep does with those that have ended."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest

from chalicelib import sharing
from chalicelib.db.access_models import CartShares
from chalicelib.errors import CartNotFound, LimitReached, ShareNotFound
from chalicelib.sharing import ShareRequest
from tests.callers import caller
from tests.integration.aging import DAY, HOUR, age
from tests.integration.conftest import Site
from tests.integration.posting import body
from tests.integration.worker_site import rows

ANN, BEN = caller("ann"), caller("ben")


@pytest.fixture(autouse=True)
def dead_letters(site: Site) -> None:
    boto3.client("sqs").create_queue(QueueName=f"{site.variables['JOB_QUEUE']}-dead")


def share(site: Site, seconds: float) -> tuple[int, str]:
    made = site.system.sharing.share(ANN, "mine", ShareRequest("ben", seconds))
    return made.share.id, made.token


def test_shares_that_ended_go_a_day_later_and_valid_ones_stay(site: Site) -> None:
    system = site.system
    system.service.create(ANN, "mine", body(1))
    revoked, _ = share(site, 30 * DAY)
    expired, _ = share(site, HOUR)
    valid, token = share(site, 30 * DAY)
    system.sharing.unshare(ANN, "mine", revoked)
    system.sweep.run()
    assert sorted(rows(site, CartShares.id)) == [(revoked,), (expired,), (valid,)]
    age(system.database, DAY + 60)
    system.sweep.run()
    assert sorted(rows(site, CartShares.id)) == [(expired,), (valid,)]
    age(system.database, HOUR)
    system.sweep.run()
    assert rows(site, CartShares.id) == [(valid,)]
    assert system.shared_carts.find(BEN, token).uid == "mine"


def test_the_share_of_a_deleted_cart_is_of_no_use_and_goes_in_its_time(site: Site) -> None:
    system = site.system
    system.service.create(ANN, "mine", body(1))
    _, token = share(site, HOUR)
    system.service.delete(ANN, "mine")
    system.service.create(ANN, "mine", body(2))
    with pytest.raises(ShareNotFound):
        system.shared_carts.find(BEN, token)
    age(system.database, HOUR + DAY + 60)
    system.sweep.run()
    assert rows(site, CartShares.id) == []


def test_shares_that_are_made_at_once_never_exceed_the_limit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MOST_SHARES", 5)
    system = site.system
    system.service.create(ANN, "mine", body(1))

    def one(_: int) -> bool:
        try:
            share(site, HOUR)
        except LimitReached:
            return False
        finally:
            system.database.close()
        return True

    with ThreadPoolExecutor(12) as pool:
        made = list(pool.map(one, range(24)))
    assert (sum(made), len(rows(site, CartShares.id))) == (5, 5)


def test_a_cart_that_is_deleted_while_it_is_shared_is_shared_with_nobody(site: Site) -> None:
    """Whichever is first: a share of a deleted cart is of no use."""
    system = site.system
    for number in range(6):
        system.service.create(ANN, "mine", body(number))

        def shared() -> str:
            try:
                return share(site, HOUR)[1]
            except CartNotFound:
                return "none"
            finally:
                system.database.close()

        with ThreadPoolExecutor(2) as pool:
            token, _ = pool.submit(shared), pool.submit(system.service.delete, ANN, "mine")
        with pytest.raises(ShareNotFound):
            system.shared_carts.find(BEN, token.result())
