"""The local system's supervisor, tested with small processes instead of the real services."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from infra.local import process as process_module
from infra.local import supervisor as supervisor_module
from infra.local.process import ROOT, Backoff, Service
from infra.local.supervisor import StartFailed, Supervisor

PYTHON = (sys.executable, "-I", "-S", "-c")
SLEEP = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


class Running:
    """A supervisor running in a thread."""

    def __init__(self, *tiers: list[Service], log: Path) -> None:
        self.output: list[str] = []
        self.up = threading.Event()
        self.failure: StartFailed | None = None
        self.supervisor = Supervisor(tiers, log, say=self.output.append)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> float:
        """Stop the supervisor; returns the seconds it took."""
        began = time.monotonic()
        self.supervisor.request_stop()
        self._thread.join(20)
        assert not self._thread.is_alive()
        return time.monotonic() - began

    def _run(self) -> None:
        try:
            self.supervisor.run(self.up.set)
        except StartFailed as failure:
            self.failure = failure


@contextlib.contextmanager
def supervised(*tiers: list[Service], log: Path) -> Iterator[Running]:
    running = Running(*tiers, log=log)
    try:
        assert running.up.wait(10), (running.failure, running.output)
        yield running
    finally:
        running.stop()


def small(name: str, code: str, **more: Callable[[], object]) -> Service:
    return Service(name, (*PYTHON, code), dict(os.environ), **more)  # type: ignore[arg-type]


def marked(tag: str) -> list[psutil.Process]:
    """The processes whose command line has the tag, except a die_with_parent that has not yet become its program."""
    found = []
    for candidate in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = candidate.cmdline()
            if any(tag in word for word in line) and not any("die_with_parent" in word for word in line):
                found.append(candidate)
    return found


def eventually(holds: Callable[[], object], within: float = 5.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return bool(holds())


def test_a_killed_child_is_restarted_within_a_second(tmp_path: Path) -> None:
    tag = f"# {tmp_path.name} back"
    with supervised([], [small("one", f"{SLEEP} {tag}")], log=tmp_path) as running:
        assert eventually(lambda: marked(tag))
        (first,) = marked(tag)
        first.kill()
        assert eventually(lambda: [p for p in marked(tag) if p.pid != first.pid], within=1.0)
    assert any("by signal 9; restarting it" in line for line in running.output)
    assert not marked(tag)


def test_a_tier_starts_when_the_one_before_is_ready(tmp_path: Path) -> None:
    order: list[str] = []
    opened = threading.Event()
    first = small("first", SLEEP, is_ready=opened.is_set, when_ready=lambda: order.append("first"))
    second = small("second", SLEEP, when_ready=lambda: order.append("second"))
    running = Running([first], [second], log=tmp_path)
    try:
        assert not running.up.wait(0.3)
        assert order == []
        opened.set()
        assert running.up.wait(5)
        assert order == ["first", "second"]
    finally:
        running.stop()


def test_when_ready_runs_after_each_start(tmp_path: Path) -> None:
    calls: list[float] = []
    tag = f"# {tmp_path.name} ready"
    service = small("queue", f"{SLEEP} {tag}", when_ready=lambda: calls.append(time.monotonic()))
    with supervised([service], log=tmp_path):
        assert eventually(lambda: marked(tag))
        marked(tag)[0].kill()
        assert eventually(lambda: len(calls) == 2)


def test_a_child_that_ignores_sigterm_is_killed_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "PRODUCT_STOP_TIMEOUT", 0.4)
    monkeypatch.setattr(supervisor_module, "STOP_TIMEOUT", 0.8)
    tag = f"# {tmp_path.name} stubborn"
    running = Running([small("a", f"{STUBBORN} {tag}")], [small("b", f"{STUBBORN} {tag}")], log=tmp_path)
    assert running.up.wait(5)
    assert eventually(lambda: (tmp_path / "a.log").read_text() and (tmp_path / "b.log").read_text())
    took = running.stop()
    assert 0.7 < took < 1.5
    assert not marked(tag)


def test_the_children_of_a_child_end_with_it(tmp_path: Path) -> None:
    tag = f"# {tmp_path.name} grandchild"
    code = (
        f"import subprocess, time; subprocess.Popen([{sys.executable!r}, '-c', {f'{SLEEP} {tag}'!r}]); time.sleep(60)"
    )
    service = small("parent", code)
    with supervised([], [service], log=tmp_path):
        assert eventually(lambda: len(marked(tag)) == 2)
        (parent,) = [p for p in marked(tag) if p.children()]
        (orphan,) = parent.children()
        parent.kill()
        assert eventually(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)
        assert eventually(lambda: len(marked(tag)) == 2)


def test_a_service_that_cannot_start_shows_its_last_lines(tmp_path: Path) -> None:
    broken = small("broken", "import sys; sys.exit('its error message')", is_ready=lambda: False)
    running = Running([broken], log=tmp_path)
    running._thread.join(10)
    assert not running.up.is_set()
    assert "broken exited with code 1" in str(running.failure)
    assert "its error message" in str(running.failure)


def test_the_system_is_not_up_while_a_child_keeps_exiting(tmp_path: Path) -> None:
    broken = small("broken", "import sys; sys.exit('its error message')")
    has_exited = threading.Event()
    running = Running([], [broken], [small("last", SLEEP, is_ready=has_exited.is_set)], log=tmp_path)
    assert eventually(lambda: any("broken exited" in line for line in running.output), within=10.0)
    has_exited.set()
    running._thread.join(10)
    assert not running.up.is_set()
    assert "broken exited with code 1" in str(running.failure)


def test_the_start_fails_if_a_service_never_becomes_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "START_TIMEOUT", 0.3)
    running = Running([small("mute", f"print('hm', flush=True); {SLEEP}", is_ready=lambda: False)], log=tmp_path)
    running._thread.join(10)
    assert "mute is not ready" in str(running.failure)


def test_a_later_second_stop_request_kills_but_a_duplicate_of_the_first_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "SAME_SIGNAL_WINDOW", 0.5)
    monkeypatch.setattr(supervisor_module, "PRODUCT_STOP_TIMEOUT", 8.0)
    running = Running([], [small("deaf", STUBBORN)], log=tmp_path)
    assert running.up.wait(5)
    assert eventually(lambda: (tmp_path / "deaf.log").read_text())
    running.supervisor.request_stop()
    running.supervisor.request_stop()
    time.sleep(0.7)
    assert running._thread.is_alive()
    assert running.stop() < 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    tag = f"# {tmp_path.name} orphan"
    code = (
        "import os, sys, pathlib\n"
        "from infra.local.process import Service\n"
        "from infra.local.supervisor import Supervisor\n"
        f"kid = Service('kid', (sys.executable, '-c', {f'{SLEEP} {tag}'!r}), dict(os.environ))\n"
        f"Supervisor([[kid]], pathlib.Path({str(tmp_path)!r}), say=print).run(lambda: None)"
    )
    kids: list[psutil.Process] = []
    boss = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    try:
        # Between fork and exec a process first has its parent's command line, then none, then its own.
        deadline = time.monotonic() + 5
        while not kids and time.monotonic() < deadline:
            kids += [p for p in marked(tag) if p.ppid() == boss.pid]
    finally:
        boss.send_signal(signal.SIGKILL)
        boss.wait(5)
    assert eventually(lambda: not kids[0].is_running() or kids[0].status() == psutil.STATUS_ZOMBIE)


def test_the_back_off_grows_only_while_a_child_keeps_exiting_early() -> None:
    backoff = Backoff()
    assert [backoff.next_delay(0.1) for _ in range(5)] == [0, 0, 0.25, 0.5, 1.0]
    assert max(backoff.next_delay(0.1) for _ in range(20)) == 10
    assert backoff.next_delay(60.0) == 0
    assert backoff.next_delay(0.1) == 0


def test_a_long_log_is_rotated_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "MAX_LOG_SIZE", 10)
    (tmp_path / "one.log").write_text("from yesterday\n")
    with supervised([small("one", f"print('from today', flush=True); {SLEEP}")], log=tmp_path):
        assert eventually(lambda: (tmp_path / "one.log").read_text() == "from today\n")
    assert (tmp_path / "one.log.1").read_text() == "from yesterday\n"
