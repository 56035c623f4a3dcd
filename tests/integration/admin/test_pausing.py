"""`pause` and `resume` while carts are made: nothing asks the archive, no cart fails for it, and all goes on."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from chalicelib.db.models import Carts, Jobs
from chalicelib.errors import IntakePaused
from tests.callers import ANYONE
from tests.integration.admin.operated_site import Operated, operated, operated_of
from tests.integration.worker_site import (
    assert_ready,
    assert_volume_consistent,
    generated,
    manifest,
    rows,
    state,
    until,
)

__all__ = ["operated", "operated_of"]
FILES = generated(16, 400_000, "pause")


def asked(operated: Operated) -> int:
    return sum(operated.site.simulator.stats()["totals"].values())


def test_a_paused_intake_refuses_carts_and_says_why_but_not_who(operated: Operated) -> None:
    service = operated.system.service
    service.create(ANYONE, "before", manifest(FILES))
    assert operated.run("pause", "intake", "--why", "moving to new disks").code == 2, "there is no terminal to ask on"
    assert operated.run("pause", "intake", "--why", "moving to new disks", "--yes").code == 0
    other = operated.site.build_system().service  # it has not looked yet
    for make in (lambda: other.create(ANYONE, "new", manifest(FILES)), lambda: other.manifest_upload(ANYONE, "new")):
        with pytest.raises(IntakePaused, match="the intake is paused: moving to new disks"):
            make()
    assert other.find(ANYONE, "before").state == "waiting"
    other.delete(ANYONE, "before")
    assert operated.run("resume", "intake", "--json").json["was_paused"]
    assert not operated.run("resume", "intake", "--json").json["was_paused"]
    operated.site.build_system().service.create(ANYONE, "new", manifest(FILES))
    assert [row[1] for row in operated.audited()] == ["pause", "resume"]


def test_pulling_stops_in_the_middle_and_goes_on_where_it_was(operated: Operated) -> None:
    operated.site.simulator.control(latency_ms=300)
    operated.site.start_worker(PULL_CONCURRENCY="2")
    operated.system.service.create(ANYONE, "cart", manifest(FILES))
    until(lambda: operated.site.simulator.stats()["totals"].get("gets", 0) > 2)
    operated.run("pause", "pulling", "--why", "the tape robot is repaired", "--yes")
    until(lambda: "pulling is paused: the tape robot is repaired" in str(rows(operated.site, Jobs.wait_reason)))
    before = asked(operated)
    time.sleep(0.5)
    assert (asked(operated), state(operated.site, "cart")) == (before, "staging")
    with operated.system.database.session() as db:
        Carts.update(used_at=0).execute(db)
    operated.system.sweep.run()
    assert state(operated.site, "cart") == "staging", "no deadline runs"
    operated.site.simulator.control(latency_ms=0)
    assert operated.run("resume", "pulling").code == 0
    assert_ready(operated.site, "cart", FILES, within=12)
    assert_volume_consistent(operated.site)


def test_the_time_of_a_pause_does_not_count_towards_the_deadline(operated_of: Callable[..., Operated]) -> None:
    operated = operated_of()
    now = operated.system.database.clock()
    for uid in ("old", "young"):
        operated.system.service.create(ANYONE, uid, manifest(FILES))
    operated.run("pause", "pulling", "--why", "x", "--yes")
    with operated.system.database.session() as db:
        db.execute_sql(f"UPDATE switches SET since = {now - 1000}")  # type: ignore[no-untyped-call]
        Carts.update(used_at=now - 3000).where(Carts.uid == "old").execute(db)
        Carts.update(used_at=now - 10).where(Carts.uid == "young").execute(db)
    operated.run("pause", "pulling", "--why", "y", "--yes")
    operated.run("resume", "pulling")
    ages = {uid: operated.system.database.clock() - at for uid, at in rows(operated.site, Carts.uid, Carts.used_at)}
    assert ages["old"] == pytest.approx(2000, abs=20)
    assert ages["young"] == pytest.approx(0, abs=20)
