"""What the containers go through: scaled, drained, their queue lost, taken down and brought up again."""

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
DRAINS_WITHIN = 9.5  # the worker's 8 s, and what the engine needs to stop a container
HEALED_WITHIN = 90.0
BIG = 48 << 20
RECALL = "recall of cart"  # what a worker logs of the first job of a cart


def test_four_workers_share_the_carts(system: System) -> None:
    system.up("--scale", "cartworkers=4")
    names = system.engine.containers("cartworkers")
    assert len(names) == 4
    carts = [Cart(system.url).post(*SEED) for _ in range(24)]
    assert {cart.wait(90) for cart in carts} == {"ready"}
    assert carts[-1].files() == CONTENTS
    assert sum(RECALL in system.engine.log(name) for name in names) > 1, "one worker did it all"
    system.engine.remove(*names[1:])


def test_a_worker_told_to_stop_hands_its_work_back(system: System) -> None:
    (worker,) = system.engine.containers("cartworkers")
    (archive,) = system.engine.containers("archiveinterface")
    requests.put(f"{system.archive}big", data=bytes(BIG), timeout=60).raise_for_status()
    before = system.engine.log(worker).count(RECALL)
    system.engine.podman("pause", archive)  # now every request to it hangs
    try:
        cart = Cart(system.url).post(entry("big", "big"))
        # moto may give the message to a worker that was just ended; then it comes again when its lease is over.
        assert eventually(lambda: system.engine.log(worker).count(RECALL) > before, HEALED_WITHIN)
        begun = time.monotonic()
        system.engine.podman("stop", "-t", "30", worker)
        lasted = time.monotonic() - begun
        code = system.engine.podman("inspect", worker, "--format", "{{.State.ExitCode}}").strip()
        ended = system.engine.log(worker).splitlines()[-1]
    finally:
        system.engine.podman("unpause", archive)
        system.engine.podman("start", worker)
    assert lasted < DRAINS_WITHIN
    assert (code, "stopped" in ended) == ("0", True), ended
    assert cart.wait(HEALED_WITHIN) == "ready"


def test_a_queue_that_is_lost_loses_no_cart(system: System) -> None:
    """The message is sent, then moto ends and with it the queue, before any worker has seen it."""
    (worker,) = system.engine.containers("cartworkers")
    (queue,) = system.engine.containers("cartqueue")
    system.engine.podman("stop", worker)
    cart = Cart(system.url).post(*SEED)
    system.engine.podman("restart", queue)
    system.engine.podman("start", worker)
    assert cart.head().headers["X-Pacifica-Status"] == "waiting"
    assert cart.wait(HEALED_WITHIN) == "ready"
    assert cart.files() == CONTENTS


def test_a_database_that_is_missing_is_made_by_hand(system: System) -> None:
    """By the lines of docs/compose.md; the container asks for root's password, so here the option has it."""
    chapter = (ROOT / "docs/compose.md").read_text().partition("\n## Creating the database")[2].partition("\n## ")[0]
    (sql,) = re.findall(r"`(CREATE DATABASE .*?;)`", chapter)
    (client,) = re.findall(r"`docker-compose exec cartmysql (\w+) -uroot -p`", chapter)
    (database,) = system.engine.containers("cartmysql")
    root = ("exec", database, client, "-uroot", "-pcartroot", "-e")
    system.engine.podman(*root, "DROP DATABASE pacifica_cartd; DROP USER 'cartd'@'%';")
    assert Cart(system.url).head().status_code == 503
    system.engine.podman(*root, sql)
    said = system.engine.podman("exec", "cartserver", "/bin/bash", "-c", "pacifica-cartd-cmd dbsync")
    assert re.match(r"applied \d+ migrations", said)
    assert Cart(system.url).post(*SEED).wait(HEALED_WITHIN) == "ready"


def test_what_is_ready_survives_down_and_up(system: System) -> None:
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


def test_an_archive_elsewhere_takes_the_place_of_the_container(system: System) -> None:
    """That it comes after the workers, which then wait for it, harms nothing."""
    system.down()
    system.engine.environ["ARCHIVE_INTERFACE_URL"] = "elsewhere:8080/"
    system.up("--scale", "archiveinterface=0")
    try:
        assert system.engine.containers("archiveinterface", "-a") == []
        image, network = f"{PROJECT}_archiveinterface", f"{PROJECT}_default"
        system.engine.podman("run", "-d", "--rm", "--name", "elsewhere", "--network", network, image)
        assert Cart(system.url).post(*SEED).wait(HEALED_WITHIN) == "ready"
    finally:
        system.engine.podman("rm", "-f", "--ignore", "elsewhere")
        del system.engine.environ["ARCHIVE_INTERFACE_URL"]
