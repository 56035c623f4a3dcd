"""`fixit`, `retry`, `fail`, `delete` and `release` on a running system: nothing is lost, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.db.models import Carts, Entries, Jobs
from chalicelib.stores.cart_history import CartHistoryStore
from chalicelib.stores.job_row import CleanupPass, JobKind
from tests.callers import ANYONE, caller
from tests.integration.admin.conftest import ON_SQLITE, Run
from tests.integration.admin.operated_site import Operated, operated, operated_of, together
from tests.integration.worker_site import (
    assert_nothing_remains,
    assert_ready,
    assert_volume_consistent,
    generated,
    gets,
    jobs_left,
    manifest,
    rows,
    until,
)

__all__ = ["operated", "operated_of"]
FILES = generated(6, 3000)
LOST = list(FILES)[1]
ANN, BEN = caller("ann"), caller("ben")


def failed(operated: Operated, uid: str = "lost", cleaned: bool = True) -> None:
    """A cart of FILES that failed because the archive does not have LOST; now the archive has it."""
    operated.site.simulator.control(missing=[LOST])
    operated.site.start_worker()
    operated.system.service.create(ANYONE, uid, manifest(FILES))
    assert operated.site.wait(uid).state == "error"
    operated.site.simulator.control(missing=[])
    if cleaned:
        until(lambda: not jobs_left(operated.site))


def events(operated: Operated, cart: int) -> list[str]:
    return [happened.event for happened in CartHistoryStore(operated.system.database).of_cart(cart, 20)]


def test_a_failed_cart_begins_again_as_itself_and_pulls_only_what_is_missing(operated: Operated) -> None:
    failed(operated)
    before = operated.system.service.find(ANYONE, "lost")
    done = operated.run("fixit", "lost", "--json")
    assert (done.code, done.json[0]["outcome"]) == (0, "restarted")
    assert_ready(operated.site, "lost", FILES)
    after = operated.system.service.find(ANYONE, "lost")
    assert (after.id, after.attempt, after.message) == (before.id, 2, "")
    assert operated.site.stored() == [f"carts/{after.id}/2.tar"]
    assert events(operated, after.id) == ["posted", "staging", "error", "restarted", "staging", "bundling", "ready"]
    assert [row[1:] for row in operated.audited()] == [("restart", "lost")]
    assert_volume_consistent(operated.site)
    operated.system.service.delete(ANYONE, "lost")
    assert_nothing_remains(operated.site)


def test_files_that_were_staged_are_not_pulled_again(operated: Operated) -> None:
    operated.site.simulator.control(fail={LOST: {"wrong": 3}})
    operated.site.start_worker()
    operated.system.service.create(ANYONE, "half", manifest(FILES))
    assert operated.site.wait("half").state == "error"
    pulled = [gets(operated.site, name) for name in FILES]
    assert operated.run("fixit", "half").code == 0
    assert_ready(operated.site, "half", FILES)
    again = [gets(operated.site, name) - count for name, count in zip(FILES, pulled, strict=True)]
    assert sum(again) < len(FILES)
    assert again[1] == 1


def test_a_cart_whose_clean_up_is_under_way_begins_again_too(operated_of: Callable[..., Operated]) -> None:
    operated = operated_of()
    failed(operated, cleaned=False)
    assert operated.run("fixit", "lost").code == 0
    assert_ready(operated.site, "lost", FILES)
    until(lambda: not jobs_left(operated.site))
    assert_volume_consistent(operated.site)
    assert len(operated.site.stored()) == 1


def test_two_operators_and_a_client_at_once_leave_one_cart(operated: Operated) -> None:
    failed(operated)

    def fix() -> None:
        acts = operated.system
        from chalicelib.wiring_operating import operating_of

        operating_of(acts).fix_carts.fix(caller("operator:x"), "lost", None)

    together(fix, fix, lambda: operated.system.service.create(ANYONE, "lost", manifest(FILES)))
    assert_ready(operated.site, "lost", FILES)
    until(lambda: not jobs_left(operated.site))
    assert [row for row in rows(operated.site, Carts.live) if row[0]] == [(1,)]
    assert_volume_consistent(operated.site)
    assert len(operated.site.stored()) == 1


def test_a_cart_without_its_list_of_files_must_be_posted_again(operated: Operated) -> None:
    failed(operated)
    [(cart,)] = rows(operated.site, Carts.id)
    database = operated.system.database
    database.transaction(lambda: operated.system.jobs.add(cart, JobKind.CLEANUP, CleanupPass.ROWS))
    assert "posted again" in operated.run("fixit", "lost").out
    until(lambda: not jobs_left(operated.site))
    done = operated.run("fixit", "lost", "--json")
    assert (done.code, done.json[0]["outcome"]) == (1, "refused")
    assert "posted again" in done.json[0]["said"]
    assert rows(operated.site, Carts.state) == [("error",)]
    assert rows(operated.site, Entries.cart_id) == []


def test_the_sweep_leaves_a_cart_that_became_ready_after_all_alone(operated: Operated) -> None:
    """The sweep had seen it failed, and due to be cleared."""
    failed(operated)
    [(cart,)] = rows(operated.site, Carts.id)
    operated.run("fixit", "lost")
    assert_ready(operated.site, "lost", FILES)
    assert operated.system.sweep.clear_carts.clear(cart) == []
    assert len(rows(operated.site, Entries.cart_id)) == len(FILES)


def test_a_restart_counts_in_the_owners_usage_once(operated_of: Callable[..., Operated]) -> None:
    operated = operated_of(LIMIT_CARTS="1")
    operated.site.simulator.control(missing=[LOST])
    operated.site.start_worker()
    operated.system.service.create(ANN, "lost", manifest(FILES))
    until(lambda: operated.system.service.find(ANN, "lost").state == "error")
    operated.site.simulator.control(missing=[])
    operated.system.service.create(ANN, "other", manifest(FILES))
    refused = operated.run("fixit", "lost", "--json")
    assert (refused.code, refused.json[0]["outcome"]) == (1, "refused")
    assert "limit" in refused.json[0]["said"]
    operated.system.service.delete(ANN, "other")
    assert operated.run("fixit", "lost").code == 0
    until(lambda: operated.system.service.find(ANN, "lost").state == "ready")
    assert operated.system.post_limits.shown(ANN)["carts"].used == 1
    assert operated.system.sweep.reconcile_usage.run() == 0


def test_a_name_that_several_owners_use_needs_an_owner(operated: Operated) -> None:
    for one in (ANN, BEN):
        operated.system.service.create(one, "same", manifest(FILES))
    done = operated.run("retry", "same")
    assert done.code == 1
    assert "'ann', 'ben' with --owner" in done.err
    assert operated.run("delete", "same", "--owner", "ben", "--yes", "--json").json[0]["owner"] == "ben"
    assert [row[0] for row in rows(operated.site, Carts.owner, Carts.live) if row[1]] == ["ann"]
    assert "no cart nowhere" in operated.run("fixit", "nowhere").out


def test_retry_makes_what_waits_due_and_forgets_its_failures(operated: Operated) -> None:
    operated.system.service.create(ANYONE, "waits", manifest(FILES))
    [(job,)] = rows(operated.site, Jobs.id)
    claimed = operated.system.jobs.claim(job, 0)
    assert claimed is not None
    assert operated.run("retry", "waits", "--json").json[0]["outcome"] == "nothing", "a worker has it"
    operated.system.jobs.fail_attempt(claimed, 500, "broken")
    assert operated.run("retry", "waits", "--json").json[0]["outcome"] == "retried"
    assert rows(operated.site, Jobs.attempts) == [(0,)]
    operated.site.start_worker()
    assert_ready(operated.site, "waits", FILES)
    assert operated.run("retry", "waits", "--json").json[0]["outcome"] == "nothing"


def test_fail_ends_a_cart_with_what_its_clients_see(operated: Operated) -> None:
    operated.system.service.create(ANYONE, "stuck", manifest(FILES))
    assert operated.run("fail", "stuck", "--why", "too large").code == 2, "there is no terminal to ask on"
    assert operated.run("fail", "stuck", "--why", "The tape is lost.", "--yes").code == 0
    cart = operated.system.service.find(ANYONE, "stuck")
    assert (cart.state, cart.message) == ("error", "The tape is lost.")
    assert operated.run("fail", "stuck", "--why", "again", "--yes").code == 1
    assert [row[1:] for row in operated.audited()] == [("fail", "stuck")]


@ON_SQLITE
@pytest.mark.parametrize("why", ["", " ", "two\nlines", "\x1b[31m", "\udcff", "x" * 1025])
def test_a_reason_that_clients_could_not_read_is_refused(run: Run, why: str) -> None:
    assert run("fail", "stuck", "--why", why, "--yes").code == 2
    assert run("pause", "intake", "--why", why, "--yes").code == 2


def test_a_released_job_is_done_by_another_worker_and_its_holder_writes_nothing(operated: Operated) -> None:
    operated.system.service.create(ANYONE, "held", manifest(FILES))
    [(job,)] = rows(operated.site, Jobs.id)
    claimed = operated.system.jobs.claim(job, 0)
    assert claimed is not None
    assert operated.run("release", str(job), "--json").json == {"job": job, "released": True}
    assert operated.run("release", str(job), "--json").json == {"job": job, "released": False}
    assert operated.system.jobs.renew([claimed]) == [claimed], "the lease is lost"
    operated.site.start_worker()
    assert_ready(operated.site, "held", FILES)
    assert operated.run("release", "999999").code == 1
