"""Operations on the running containers: scaling, draining, losing the queue, down and up."""

from __future__ import annotations

import re
import time

import requests

from infra.local.archive import SAMPLES
from tests.compose.engine import PROJECT, ROOT
from tests.compose.system import System
from tests.e2e.cart_client import SEED, Cart, entry
from tests.e2e.local_system import eventually

CONTENTS = {e["path"]: SAMPLES[e["id"]].encode() for e in SEED}
DRAIN_TIMEOUT = 9.5  # the worker's 8 s, plus the time podman needs to stop a container
RECOVERY_TIMEOUT = 90.0
BIG = 48 << 20
RECALL = "recall of cart"  # in a worker's log line for the first job of a cart


def test_four_workers_share_the_carts(system: System) -> None:
    system.up("--scale", "cartworkers=4")
    names = system.engine.containers("cartworkers")
    assert len(names) == 4
    carts = [Cart(system.url).post(*SEED) for _ in range(24)]
    assert {cart.wait(90) for cart in carts} == {"ready"}
    assert carts[-1].files() == CONTENTS
    assert sum(RECALL in system.engine.log(name) for name in names) > 1, "one worker ran every job"
    system.engine.remove(*names[1:])


def test_a_stopped_worker_requeues_its_jobs(system: System) -> None:
    (worker,) = system.engine.containers("cartworkers")
    (archive,) = system.engine.containers("archiveinterface")
    requests.put(f"{system.archive}big", data=bytes(BIG), timeout=60).raise_for_status()
    before = system.engine.log(worker).count(RECALL)
    system.engine.podman("pause", archive)  # now every request to it hangs
    try:
        cart = Cart(system.url).post(entry("big", "big"))
        # moto may deliver the message to a worker that has just stopped; it is redelivered when its lease ends.
        assert eventually(lambda: system.engine.log(worker).count(RECALL) > before, RECOVERY_TIMEOUT)
        began = time.monotonic()
        system.engine.podman("stop", "-t", "30", worker)
        seconds = time.monotonic() - began
        code = system.engine.podman("inspect", worker, "--format", "{{.State.ExitCode}}").strip()
        last_line = system.engine.log(worker).splitlines()[-1]
    finally:
        system.engine.podman("unpause", archive)
        system.engine.podman("start", worker)
    assert seconds < DRAIN_TIMEOUT
    assert (code, "stopped" in last_line) == ("0", True), last_line
    assert cart.wait(RECOVERY_TIMEOUT) == "ready"


def test_losing_the_queue_loses_no_cart(system: System) -> None:
    """moto stops, and loses the queue with the cart's message, before any worker has received it."""
    (worker,) = system.engine.containers("cartworkers")
    (queue,) = system.engine.containers("cartqueue")
    system.engine.podman("stop", worker)
    cart = Cart(system.url).post(*SEED)
    system.engine.podman("restart", queue)
    system.engine.podman("start", worker)
    assert cart.head().headers["X-Pacifica-Status"] == "waiting"
    assert cart.wait(RECOVERY_TIMEOUT) == "ready"
    assert cart.files() == CONTENTS


def test_a_missing_database_can_be_created_by_hand(system: System) -> None:
    """With the commands of docs/compose.md; the password is an option here, because there is no prompt."""
    chapter = (ROOT / "docs/compose.md").read_text().partition("\n## Creating the database")[2].partition("\n## ")[0]
    (sql,) = re.findall(r"`(CREATE DATABASE .*?;)`", chapter)
    (client,) = re.findall(r"`docker-compose exec cartmysql (\w+) -uroot -p`", chapter)
    (database,) = system.engine.containers("cartmysql")
    root = ("exec", database, client, "-uroot", "-pcartroot", "-e")
    system.engine.podman(*root, "DROP DATABASE pacifica_cartd; DROP USER 'cartd'@'%';")
    assert Cart(system.url).head().status_code == 503
    system.engine.podman(*root, sql)
    output = system.engine.podman("exec", "cartserver", "/bin/bash", "-c", "pacifica-cartd-cmd dbsync")
    assert re.match(r"applied \d+ migrations", output)
    assert Cart(system.url).post(*SEED).wait(RECOVERY_TIMEOUT) == "ready"


def test_ready_carts_survive_down_and_up(system: System) -> None:
    cart = Cart(system.url).post(*SEED)
    assert cart.wait() == "ready"
    requests.put(f"{system.archive}kept", data=b"kept", timeout=60).raise_for_status()
    system.down()
    assert not system.engine.podman("ps", "-a", "-q")
    system.up()
    assert cart.head().headers["X-Pacifica-Status"] == "ready"
    assert cart.files() == CONTENTS
    again = Cart(system.url).post(entry("kept", "kept"))
    assert again.wait(60) == "ready"
    assert again.files() == {"kept": b"kept"}


def test_an_external_archive_replaces_the_container(system: System) -> None:
    """The archive starts after the workers, which wait for it."""
    system.down()
    system.engine.environ["ARCHIVE_INTERFACE_URL"] = "external:8080/"
    system.up("--scale", "archiveinterface=0")
    try:
        assert system.engine.containers("archiveinterface", "-a") == []
        image, network = f"{PROJECT}_archiveinterface", f"{PROJECT}_default"
        system.engine.podman("run", "-d", "--rm", "--name", "external", "--network", network, image)
        assert Cart(system.url).post(*SEED).wait(RECOVERY_TIMEOUT) == "ready"
    finally:
        system.engine.podman("rm", "-f", "--ignore", "external")
        del system.engine.environ["ARCHIVE_INTERFACE_URL"]
