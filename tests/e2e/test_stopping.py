"""`make run` and `make demo` as they end: Ctrl-C in mid-cart, a kill, and by themselves."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import psutil

from tests.e2e.cart_client import SEED, Cart, entry
from tests.e2e.local_system import LocalSystem, eventually

Make = Callable[..., LocalSystem]


def test_a_stop_in_mid_cart_loses_nothing(new_system: Make) -> None:
    system = new_system()
    entries = [entry(system.add_file(f"many-{n}", b"%d" % n * 2_000), f"d/{n}") for n in range(300)]
    system.start()
    done = Cart(system.url).post(*SEED)
    assert done.wait() == "ready"
    cart = Cart(system.url).post(*entries)
    assert eventually(lambda: cart.head().headers["X-Pacifica-Status"] != "waiting")
    link = done.get(allow_redirects=False).headers["Location"]
    assert system.stop(signal.SIGINT) < 10
    system.start()
    assert done.get(allow_redirects=False).headers["Location"].partition("?")[0] == link.partition("?")[0]
    assert len(done.files()) == 3
    assert cart.wait() == "ready"
    assert cart.files() == {f"d/{n}": b"%d" % n * 2_000 for n in range(300)}


def test_a_killed_supervisor_takes_its_children_along_and_its_work_goes_on_later(new_system: Make) -> None:
    system = new_system()
    entries = [entry(system.add_file(f"many-{n}", b"%d" % n * 2_000), f"d/{n}") for n in range(100)]
    system.start()
    cart = Cart(system.url).post(*entries)
    assert system.stop(signal.SIGKILL) < 10
    system.start()
    assert cart.wait() == "ready"
    assert len(cart.files()) == 100


def test_the_demo_starts_and_stops_the_system_itself(new_system: Make) -> None:
    system = new_system()
    output = system.home.parent / "demo.txt"
    assert system.launch("demo", output).wait(60) == 0, output.read_text()
    shown = output.read_text()
    assert "all 43 files are there, every hash is right" in shown
    time.sleep(0.1)
    left = [process for process in psutil.process_iter() if str(system.home) in " ".join(_line(process))]
    assert left == []


def _line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
