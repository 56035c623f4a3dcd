"""Each dependency down or hanging in turn: the cart's status names it within seconds, and the wait ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from infra.local.archive_simulator import running_simulator
from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import MIB, assert_ready, generated, manifest, until

FILES = generated(2, 1000)
OFTEN = {"shortest_interval": 0.5}
WATCH = {"every": 0.1, "patience": 0.5}


def waits_for(site: Site, uid: str = "mycart") -> str:
    wait = site.system.service.status(ANYONE, uid).wait
    return str(wait.waits_for) if wait else ""


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "workers.runtime.wait_log"]


def posted(site: Site, files: dict[str, bytes] = FILES, uid: str = "mycart") -> None:
    site.start_worker()
    site.system.service.create(ANYONE, uid, manifest(files))


def test_an_archive_that_is_down(site_of: Callable[..., Site], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "workers.runtime.wait_log")
    site = site_of({"retries": {"while_down": 0.2}})
    site.simulator.control(down=True)
    posted(site)
    until(lambda: waits_for(site) == "archive")
    site.simulator.control(down=False)
    assert_ready(site, "mycart", FILES)
    assert waits_for(site) == ""
    until(lambda: len(lines(caplog)) == 2)
    began, ended = lines(caplog)
    cart = site.system.service.find(ANYONE, "mycart").id
    assert began.startswith(f"cart {cart} waits for the archive: the archive is down: archive answered 503 (job ")
    assert ended.startswith(f"cart {cart} no longer waits for the archive, after ")


def test_an_archive_that_accepts_and_never_answers(site_of: Callable[..., Site]) -> None:
    site = site_of({"waits": WATCH}, ARCHIVE_READ_TIMEOUT="20")
    site.simulator.control(latency_ms=4000)
    posted(site, generated(1, 1000))
    until(lambda: waits_for(site) == "archive", 4, "nothing noticed the archive")


def test_files_on_tape(site_of: Callable[..., Site]) -> None:
    with running_simulator(tape=1.0, recall=60.0) as library:
        site = site_of(
            {"tape": {"shortest_interval": 0.5}, "looks": {"shortest_interval": 0.5}}, ARCHIVE_INTERFACE_URL=library.url
        )
        posted(site)
        until(lambda: waits_for(site) == "tape")


def test_a_full_volume(site_of: Callable[..., Site]) -> None:
    slow, large = generated(1, 6 * MIB, "slow"), generated(1, 6 * MIB, "large")
    site = site_of(VOLUME_LIMIT="10M", PART_SIZE="5M")
    site.simulator.control(drip=dict.fromkeys(slow, 0.2))
    posted(site, slow, "slow")
    until(lambda: waits_for(site, "slow") == "" and site.system.service.find(ANYONE, "slow").bytes_total > 0)
    site.system.service.create(ANYONE, "mycart", manifest(large))
    until(lambda: waits_for(site) == "space")
    status = site.system.service.status(ANYONE, "mycart")
    assert status.counts.waiting_bytes >= 6 * MIB


def test_a_store_that_hangs(site_of: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> None:
    site, thawed = site_of({"waits": WATCH}), threading.Event()
    worker = site.start_worker()
    client: Any = worker.system.bundles._client
    put = client.put_object

    def frozen(**arguments: Any) -> Any:
        thawed.wait(30)
        return put(**arguments)

    monkeypatch.setattr(client, "put_object", frozen)
    site.system.service.create(ANYONE, "mycart", manifest(FILES))
    try:
        until(lambda: waits_for(site) == "store")
    finally:
        thawed.set()
    assert_ready(site, "mycart", FILES)
