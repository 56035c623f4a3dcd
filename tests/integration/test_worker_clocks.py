"""Workers whose clocks are weeks off: workers only compare times of the database's clock."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import pytest

from chalicelib.db.volume_models import StagedFiles
from infra.local.archive_simulator import running_simulator
from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import assert_ready, cart_states, generated, manifest, rows, until

MONTH = 30 * 86400.0
OFTEN = {"shortest_interval": 0.5}


@pytest.fixture(autouse=True)
def jumping_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every call of `time.time` is right, or 30 days early or late, at random."""
    real, dice = time.time, random.Random(1)
    monkeypatch.setattr(time, "time", lambda: real() + dice.choice((-MONTH, 0.0, MONTH)))
    yield
    monkeypatch.undo()


def test_a_jumping_clock_does_not_use_up_the_patience_for_a_failing_file(site: Site) -> None:
    files = generated(3, 2000)
    site.simulator.control(fail={name: {"error": 4} for name in files})
    site.start_worker()
    site.system.service.create(ANYONE, "patient", manifest(files))
    assert_ready(site, "patient", files)


def test_a_jumping_clock_does_not_time_out_a_recall(site_of: Callable[..., Site]) -> None:
    with running_simulator(tape=1.0, recall=0.5) as library:
        site = site_of(
            {"tape": {"shortest_interval": 0.5}, "looks": {"shortest_interval": 0.5}}, ARCHIVE_INTERFACE_URL=library.url
        )
        site.start_worker()
        site.system.service.create(ANYONE, "tape", manifest(generated(3, 100), hash_name=""))
        until(lambda: cart_states(site) == [("tape", "ready", "")], 20)
        assert library.stats()["totals"]["recalls"] == 3
        site.stop()


def test_files_last_used_by_a_worker_with_a_fast_clock_are_evicted(site_of: Callable[..., Site]) -> None:
    site = site_of(VOLUME_LIMIT="3M", VOLUME_RESERVE="0")
    site.start_worker()
    for round_ in range(3):
        files = generated(2, 1 << 20, f"round{round_}-")
        site.system.service.create(ANYONE, f"cart-{round_}", manifest(files))
        assert_ready(site, f"cart-{round_}", files, 60)
    now = site.system.database.clock()
    assert all(abs(now - used_at) < 60 for (used_at,) in rows(site, StagedFiles.used_at))
