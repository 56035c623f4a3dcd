"""`purge`: only what nobody has used, nothing that somebody uses meanwhile, and nothing is left of what it deletes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.db.models import Carts
from chalicelib.errors import CartNotFound
from chalicelib.operating.purge import BATCH
from chalicelib.stores.unused_carts import Unused, UnusedCart, UnusedCartStore
from chalicelib.wiring_operating import operating_of
from tests.callers import ANYONE, caller
from tests.integration.admin.conftest import ON_SQLITE, Run
from tests.integration.admin.operated_site import Operated, operated, operated_of, together
from tests.integration.worker_site import assert_nothing_remains, assert_ready, generated, manifest, rows, until

__all__ = ["operated", "operated_of"]
FILES = generated(2, 1000)
DAY = 86400.0
ANN = caller("ann")


def ready(operated: Operated, *uids: str) -> None:
    operated.site.start_worker()
    for uid in uids:
        operated.system.service.create(ANYONE, uid, manifest(FILES))
    for uid in uids:
        assert_ready(operated.site, uid, FILES)


def unused_for(operated: Operated, days: float, *uids: str) -> None:
    with operated.system.database.session() as db:
        at = operated.system.database.clock() - days * DAY
        Carts.update(used_at=at).where(Carts.uid.in_(uids)).execute(db)


def live(operated: Operated) -> set[str]:
    return {uid for uid, is_live in rows(operated.site, Carts.uid, Carts.live) if is_live}


@pytest.mark.parametrize("ago", ["60 days ago", "60 days"])
def test_only_carts_not_used_for_so_long_are_deleted_with_all_they_have(operated: Operated, ago: str) -> None:
    ready(operated, "old", "young")
    unused_for(operated, 61, "old")
    unused_for(operated, 59, "young")
    dry = operated.run("purge", "--time-ago", ago, "--dry-run", "--json")
    assert ([row["uid"] for row in dry.json], live(operated)) == (["old"], {"old", "young"})
    assert operated.run("purge", "--time-ago", ago).code == 2, "there is no terminal to ask on"
    done = operated.run("purge", "--time-ago", ago, "--yes", "--json")
    assert ([row["uid"] for row in done.json], live(operated)) == (["old"], {"young"})
    assert [row[1:] for row in operated.audited()] == [("purge", "old")]
    operated.system.service.delete(ANYONE, "young")
    assert_nothing_remains(operated.site)


@ON_SQLITE
@pytest.mark.usefixtures("aws_variables")
def test_a_moment_in_the_future_is_refused_since_carts_in_use_would_be_deleted(run: Run) -> None:
    done = run("purge", "--time-ago", "2999-01-01", "--yes")
    assert done.code == 2
    assert "is in the future" in done.err
    assert run("purge", "--time-ago", "0 days", "--dry-run").code == 0


def test_a_purge_that_is_interrupted_says_what_it_has_deleted(
    operated: Operated, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(BATCH + 1):
        operated.system.service.create(ANYONE, f"cart-{number}", manifest(FILES))
    with operated.system.database.session() as db:
        Carts.update(state="ready", used_at=1.0).execute(db)
    whole = UnusedCartStore.page

    def page(store: UnusedCartStore, wanted: Unused, after: int, most: int) -> list[UnusedCart]:
        if after:
            raise KeyboardInterrupt
        return whole(store, wanted, after, most)

    monkeypatch.setattr(UnusedCartStore, "page", page)
    done = operated.run("purge", "--time-ago", "60 days", "--yes", "--json")
    assert (done.code, len(done.json), len(live(operated))) == (1, BATCH, 1)
    assert "interrupted" in done.err
    assert "INFO" not in done.err, "what it does is not told twice"


def test_states_and_owners_are_respected_and_unfinished_carts_stay(operated: Operated) -> None:
    for owner in ("ann", "ben"):
        for uid in ("failed", "waiting"):
            operated.system.service.create(caller(owner), uid, manifest(FILES))
        operated.run("fail", "failed", "--owner", owner, "--why", "x", "--yes")
    unused_for(operated, 99, "failed", "waiting")
    assert operated.run("purge", "--time-ago", "9 days", "--state", "ready", "--yes", "--json").json == []
    assert operated.run("purge", "--time-ago", "9 days", "--state", "waiting", "--yes").code == 2
    done = operated.run("purge", "--time-ago", "9 days", "--state", "error,ready", "--owner", "ann", "--yes", "--json")
    assert [(row["owner"], row["uid"]) for row in done.json] == [("ann", "failed")]
    assert len([1 for (is_live,) in rows(operated.site, Carts.live) if is_live]) == 3
    assert operated.system.post_limits.shown(ANN)["carts"].used == 1
    assert operated.system.sweep.reconcile_usage.run() == 0


def test_a_cart_that_is_used_after_it_was_found_stays(operated: Operated) -> None:
    ready(operated, "fetched", "posted", "idle")
    unused_for(operated, 99, "fetched", "posted", "idle")
    system = operated.system
    before = system.database.clock() - DAY
    [*found] = operating_of(system).purge.find(Unused(("ready",), before))
    assert len(found) == 3
    system.service.download(ANYONE, "fetched", None)
    system.service.create(ANYONE, "posted", manifest(FILES))
    for cart in found:
        system.database.transaction(lambda cart=cart: system.endings.retire_unused(cart.id, ("ready",), before))  # type: ignore[misc]
    assert live(operated) == {"fetched", "posted"}


def test_what_clients_use_while_purges_run_is_never_lost(operated_of: Callable[..., Operated]) -> None:
    operated = operated_of()
    uids = [f"cart-{number}" for number in range(8)]
    ready(operated, *uids)
    unused_for(operated, 99, *uids)
    system = operated.system
    purge = operating_of(system).purge
    got: list[str] = []

    def run() -> None:
        list(purge.run(caller("operator:x"), Unused(("ready",), system.database.clock() - DAY)))

    def fetch() -> None:
        for uid in uids[:4]:
            try:
                system.service.download(ANYONE, uid, None)
                got.append(uid)
            except CartNotFound:
                pass

    def post() -> None:
        for uid in uids[4:]:
            system.service.create(ANYONE, uid, manifest(FILES))

    together(run, fetch, post, run)
    assert set(got) <= live(operated)
    for uid in {*got, *uids[4:]}:
        assert_ready(operated.site, uid, FILES)
    until(lambda: {key.split("/")[1] for key in operated.site.stored()} == ids(operated))


def ids(operated: Operated) -> set[str]:
    return {str(cart) for cart, is_live in rows(operated.site, Carts.id, Carts.live) if is_live}
