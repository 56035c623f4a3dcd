"""`make run` and `make demo` when they end: Ctrl-C in mid-cart, kill -9, and the demo's own end."""

from __future__ import annotations

import signal
from collections.abc import Callable

import psutil

from tests.e2e.cart_client import SEED, Cart, entry
from tests.e2e.local_system import LocalSystem, command_line, eventually

Make = Callable[..., LocalSystem]


def test_ctrl_c_in_mid_cart_loses_nothing(system: LocalSystem) -> None:
    entries = [entry(system.add_file(f"ctrl-c-{n}", b"%d" % n * 2_000), f"d/{n}") for n in range(300)]
    ready = Cart(system.url).post(*SEED)
    assert ready.wait() == "ready"
    cart = Cart(system.url).post(*entries)
    assert eventually(lambda: cart.head().headers["X-Pacifica-Status"] != "waiting")
    link = ready.get(allow_redirects=False).headers["Location"]
    assert system.stop(signal.SIGINT) < 10
    system.start()
    assert ready.get(allow_redirects=False).headers["Location"].partition("?")[0] == link.partition("?")[0]
    assert len(ready.files()) == 3
    assert cart.wait() == "ready"
    assert cart.files() == {f"d/{n}": b"%d" % n * 2_000 for n in range(300)}


def test_a_killed_supervisor_ends_its_children_and_work_resumes_after_a_restart(system: LocalSystem) -> None:
    entries = [entry(system.add_file(f"killed-{n}", b"%d" % n * 2_000), f"d/{n}") for n in range(100)]
    cart = Cart(system.url).post(*entries)
    assert system.stop(signal.SIGKILL) < 10
    system.start()
    assert cart.wait() == "ready"
    assert len(cart.files()) == 100


def test_the_demo_starts_and_stops_its_own_system(new_system: Make) -> None:
    system = new_system()
    output = system.home.parent / "demo.txt"
    assert system.launch("demo", output).wait(60) == 0, output.read_text()
    assert "all 43 files are there, every hash is right" in output.read_text()
    assert eventually(lambda: not _processes_of(system), within=1.0)


def _processes_of(system: LocalSystem) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if str(system.home) in command_line(process)]
