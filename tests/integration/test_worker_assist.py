"""Several workers share the files of one small cart when the archive is slow."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from chalicelib.db.models import Jobs
from chalicelib.db.volume_models import Shares
from chalicelib.errors import LeaseLost
from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import (
    assert_ready,
    assert_volume_consistent,
    generated,
    gets,
    jobs_left,
    manifest,
    rows,
    until,
)
from workers.handlers.assist import AssistedPulls, AssistHandler
from workers.runtime.lease import Lease

FILES = generated(240, 500)


@pytest.fixture
def slow(site_of: Callable[..., Site]) -> Site:
    policies = {"sharing": {"worth": 0.3}, "workers_stopped_after": 3.5}
    site = site_of(policies, PULL_CONCURRENCY="2", LEASE="3")
    site.simulator.control(latency_ms=10)
    return site


@pytest.fixture
def assisted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Counts the files that assistants looked up and staged."""
    counts = {"looked up": 0, "staged": 0}

    def count(owner: type, name: str) -> None:
        original = owner._record  # type: ignore[attr-defined]

        def record(self: object, lease: object, files: list[object]) -> None:
            original(self, lease, files)
            counts[name] += len(files)

        monkeypatch.setattr(owner, "_record", record)

    count(AssistHandler, "looked up")
    count(AssistedPulls, "staged")
    return counts


@pytest.mark.parametrize("hash_name", ["sha1", ""])
def test_workers_share_the_files_of_a_cart_with_one_window(
    slow: Site, assisted: dict[str, int], hash_name: str
) -> None:
    slow.policies["sharing"] = {"worth": 0.3, "patience": 60}  # however slow the machine is, no file is asked for twice
    for _ in range(3):
        slow.start_worker(LEASE="60")
    slow.system.service.create(ANYONE, "shared", manifest(FILES, hash_name))
    assert_ready(slow, "shared", FILES)
    assert all(count > len(FILES) // 4 for count in assisted.values()), assisted
    totals = slow.simulator.stats()["totals"]
    assert (totals["heads"], totals["gets"]) == (len(FILES), len(FILES))
    assert rows(slow, Shares.cart_id) == []
    until(lambda: not rows(slow, Jobs.id), 10, "assistants are left")
    assert_volume_consistent(slow)


def test_an_assistant_that_is_late_does_not_change_the_layout(slow: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cart's job stops waiting for it; then the assistant's lease is lost and its results are discarded."""
    slow.policies["sharing"] = {"worth": 0.3, "patience": 0.2}
    discarded = threading.Event()
    original = AssistHandler._record

    def late(self: AssistHandler, lease: Lease, found: list[object]) -> None:
        until(lambda: slow.system.service.find(ANYONE, "late").windows_total, 20)
        try:
            original(self, lease, found)  # type: ignore[arg-type]
        except LeaseLost:
            discarded.set()
            raise

    monkeypatch.setattr(AssistHandler, "_record", late)
    for _ in range(2):
        slow.start_worker()
    slow.system.service.create(ANYONE, "late", manifest(FILES))
    assert_ready(slow, "late", FILES)
    assert discarded.wait(10)
    until(lambda: not rows(slow, Jobs.id), 20, "assistants are left")
    assert_volume_consistent(slow)


def test_a_cart_without_assistants_becomes_ready(slow: Site) -> None:
    """Their messages are lost, or every worker is busy."""
    slow.policies["sharing"] = {"worth": 0.3, "assistants": 0}
    slow.start_worker()
    slow.system.service.create(ANYONE, "alone", manifest(FILES))
    assert_ready(slow, "alone", FILES)
    assert gets(slow) == len(FILES)
    assert_volume_consistent(slow)


def test_other_workers_finish_the_files_of_a_stopped_assistant(slow: Site, assisted: dict[str, int]) -> None:
    for _ in range(2):
        slow.start_worker()
    slow.system.service.create(ANYONE, "orphaned", manifest(FILES))
    until(lambda: any(assisted.values()))
    slow.stop()
    slow.start_worker()
    slow.system.sweep.run()
    assert_ready(slow, "orphaned", FILES)
    until(lambda: not rows(slow, Jobs.id), 20, "assistants are left")
    assert_volume_consistent(slow)


def test_a_file_that_an_assistant_cannot_stage_ends_its_cart_with_the_reason(
    slow: Site, assisted: dict[str, int]
) -> None:
    last = list(FILES)[-1]
    for _ in range(2):
        slow.start_worker()
    slow.system.service.create(ANYONE, "wrong", manifest(FILES, wrong=[last]))
    cart = slow.wait("wrong")
    assert cart.state == "error"
    assert last in cart.message


def test_deleting_a_cart_ends_its_assistants(slow: Site, assisted: dict[str, int]) -> None:
    for _ in range(2):
        slow.start_worker()
    slow.system.service.create(ANYONE, "deleted", manifest(FILES))
    until(lambda: assisted["looked up"])
    slow.system.service.delete(ANYONE, "deleted")
    assert [kind for (kind,) in rows(slow, Jobs.kind) if kind != "reconcile"] == ["cleanup"]
    until(lambda: not jobs_left(slow), 40, "jobs are left")
    assert rows(slow, Shares.cart_id) == []
