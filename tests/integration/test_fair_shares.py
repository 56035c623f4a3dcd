"""Carts beside a flood: owners and carts take turns, and small carts have a place of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.db.models import Carts, Jobs
from chalicelib.stores.job_row import Job, JobKind
from chalicelib.stores.jobs import JobStore
from tests.callers import ANYONE, caller
from tests.integration.conftest import Site
from tests.integration.worker_site import (
    assert_ready,
    generated,
    manifest,
    manifest_without_hashes,
    rows,
    state,
    until,
)

FLOOD = {"sharing": {"worth": 1e9}, "slices": {"length": 0.3, "look_every": 0.1}}


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Every claim of the workers, in order."""
    claimed, claim = list[Job](), JobStore.claim

    def recorded(self: JobStore, *args: Any) -> Job | None:
        job = claim(self, *args)
        if job is not None:
            claimed.append(job)
        return job

    monkeypatch.setattr(JobStore, "claim", recorded)
    return claimed


def flood(site: Site, carts: int, files: int, owner: str = "") -> list[str]:
    """Post carts whose look-ups take long; their uids."""
    uids = [f"{owner or 'flood'}-{number}" for number in range(carts)]
    for uid in uids:
        site.system.service.create(caller(owner), uid, manifest_without_hashes(generated_ids(uid, files)))
    return uids


def generated_ids(uid: str, files: int) -> list[str]:
    return [f"gen-10-{uid}-{number}" for number in range(files)]


def laid_out(site: Site) -> set[str]:
    """The uids of the carts whose files are all looked up."""
    return {uid for uid, windows in rows(site, Carts.uid, Carts.windows_total) if windows}


@pytest.mark.parametrize("places", ["1", "2"])
def test_a_small_cart_is_ready_while_every_large_one_is_still_being_looked_up(
    site_of: Callable[..., Site], places: str
) -> None:
    site = site_of(FLOOD, JOB_CONCURRENCY=places, PULL_CONCURRENCY="2")
    site.simulator.control(latency_ms=40)
    flood(site, 3, 1500)
    site.start_worker()
    until(lambda: any(lease > 0 for (lease,) in rows(site, Jobs.lease_until)))
    files = generated(1, 100, "small")
    site.system.service.create(ANYONE, "small", manifest(files))
    assert_ready(site, "small", files)
    assert laid_out(site) == {"small"}


def test_owners_take_turns_while_both_have_work(site_of: Callable[..., Site], claims: list[Job]) -> None:
    site = site_of(FLOOD, JOB_CONCURRENCY="1", PULL_CONCURRENCY="2")
    site.simulator.control(latency_ms=20)
    flood(site, 3, 300, "ann")
    flood(site, 1, 300, "bob")
    site.start_worker()
    until(lambda: "bob-0" in laid_out(site), 60)
    turns = "".join(job.line[0] for job in claims if job.kind == JobKind.RECALL)
    both = turns[: turns.rindex("b") + 1]
    assert both.count("b") > 1, "bob's look-up took several turns"
    assert "aa" not in both
    assert "bb" not in both


def test_the_carts_of_an_owner_take_turns(site_of: Callable[..., Site], claims: list[Job]) -> None:
    site = site_of(FLOOD, JOB_CONCURRENCY="1", PULL_CONCURRENCY="2")
    site.simulator.control(latency_ms=20)
    flood(site, 3, 300)
    site.start_worker()
    until(lambda: len(claims) >= 6, 60)
    first, second = [job.cart_id for job in claims[:3]], [job.cart_id for job in claims[3:6]]
    assert len(set(first)) == 3
    assert first == second


def test_a_flood_of_absent_ids_costs_the_archive_the_first_files_of_each_cart(site_of: Callable[..., Site]) -> None:
    site = site_of({"retries": {"while_down": 0.5}}, ARCHIVE_PATIENCE="1")
    site.start_worker()
    for number in range(4):
        site.system.service.create(ANYONE, f"absent-{number}", manifest_without_hashes(absent(number)))
    files = generated(2, 100, "beside")
    site.system.service.create(ANYONE, "beside", manifest(files))
    assert_ready(site, "beside", files)
    for number in range(4):
        cart = site.wait(f"absent-{number}")
        assert cart.state == "error"
        assert cart.message == (
            f"The archive has no file with id 'no-{number}-0', or could not read it for 1 s (HTTP 500). "
            f"Check the id, then post the manifest again. Path: d/no-{number}-0; "
            "the first 100 all failed; the rest were not asked for"
        )
    asked = set(site.simulator.stats()["ids"])
    assert asked == set(files) | {name for number in range(4) for name in absent(number)[:100]}
    assert state(site, "beside") == "ready"


def absent(number: int) -> list[str]:
    return [f"no-{number}-{file}" for file in range(500)]
