"""`JOB_QUEUE=database make run`: the jobs table is the queue, and nothing stands in for SQS."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.cart_client import SEED, Cart, entry
from tests.e2e.local_system import LocalSystem, eventually

Make = Callable[..., LocalSystem]


def test_carts_are_made_without_sqs_though_workers_are_killed(new_system: Make) -> None:
    system = new_system(JOB_QUEUE="database").start()
    assert "The job queue is the database." in system.output()
    assert not system.running("moto.server")
    first = Cart(system.url).post(*SEED)
    assert first.wait() == "ready"
    entries = [entry(system.add_file(f"killed-{n}", b"%d" % n * 2_000), f"d/{n}") for n in range(100)]
    cart = Cart(system.url).post(*entries)
    workers = system.running("-m", "workers")
    for worker in workers:
        worker.kill()
    assert eventually(lambda: len(system.running("-m", "workers")) == len(workers), within=20)
    assert cart.wait() == "ready"
    assert cart.files() == {f"d/{n}": b"%d" % n * 2_000 for n in range(100)}
    assert len(list(system.home.glob("*-wake/*"))) == len(workers), "what killed workers left is removed"
