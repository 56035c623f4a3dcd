"""How workers of one machine are woken: one for each call, none lost, and what killed workers left is removed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.waking.sleeper import Sleeper
from chalicelib.waking.wake_directory import WakeDirectory

LONG = 20.0  # seconds: for a sleep that somebody ends


@pytest.fixture
def directory(tmp_path: Path) -> WakeDirectory:
    return WakeDirectory(tmp_path / "wake")


@pytest.fixture
def sleepers(directory: WakeDirectory) -> Iterator[list[Sleeper]]:
    three = [Sleeper(directory) for _ in range(3)]
    for sleeper in three:
        sleeper.prepare()
    yield three
    for sleeper in three:
        sleeper.close()


def woken(sleepers: list[Sleeper]) -> int:
    return sum(sleeper.sleep(0) for sleeper in sleepers)


def test_as_many_sleep_on_as_are_not_called(directory: WakeDirectory, sleepers: list[Sleeper]) -> None:
    assert (directory.wake(), woken(sleepers)) == (1, 1)
    assert (directory.wake(5), woken(sleepers)) == (2, 2), "who is awake is not woken"
    assert directory.wake() == 0


def test_a_sleep_ends_when_another_process_calls(directory: WakeDirectory) -> None:
    sleeper = Sleeper(directory)
    sleeper.prepare()
    child = os.fork()
    if child == 0:
        directory.wake()
        os._exit(0)
    assert sleeper.sleep(LONG)
    os.waitpid(child, 0)
    sleeper.close()


def test_who_sleeps_again_can_be_woken_again(directory: WakeDirectory, sleepers: list[Sleeper]) -> None:
    first = sleepers[0]
    for _ in range(3):
        assert directory.wake(3) == 3
        assert first.sleep(0)
        for sleeper in sleepers:
            sleeper.prepare()
    assert not first.sleep(0)


def test_a_call_that_comes_while_a_worker_looks_is_passed_on(directory: WakeDirectory) -> None:
    looking, other = Sleeper(directory), Sleeper(directory)
    looking.prepare()
    assert directory.wake() == 1
    other.prepare()
    looking.wake_up()  # it has found work before
    assert other.sleep(0)
    for sleeper in (looking, other):
        sleeper.close()
    assert os.listdir(directory.path) == []


def test_who_is_awake_is_not_called(directory: WakeDirectory, sleepers: list[Sleeper]) -> None:
    for sleeper in sleepers:
        sleeper.wake_up()
    assert (directory.wake(3), woken(sleepers)) == (0, 0)


def test_a_nudge_ends_a_sleep_and_is_no_call(directory: WakeDirectory, sleepers: list[Sleeper]) -> None:
    sleepers[0].nudge()
    assert not sleepers[0].sleep(LONG)


@pytest.mark.parametrize("state", ["asleep", "awake"])
def test_what_a_killed_worker_left_is_removed(directory: WakeDirectory, state: str) -> None:
    directory.path.mkdir()
    os.mkfifo(directory.path / f"dead.{state}")
    assert directory.sleeping() == 0
    sleeper = Sleeper(directory)
    sleeper.prepare()
    assert len(os.listdir(directory.path)) == 1
    os.mkfifo(directory.path / "dead.asleep")
    assert directory.wake(2) == 1
    assert sleeper.sleep(0)
    sleeper.close()


def test_a_directory_that_was_emptied_is_used_again(directory: WakeDirectory, sleepers: list[Sleeper]) -> None:
    for name in os.listdir(directory.path):
        (directory.path / name).unlink()
    assert directory.wake() == 0
    sleepers[0].prepare()
    assert directory.wake() == 1
    assert sleepers[0].sleep(0)


def test_a_file_that_is_no_pipe_is_not_written_to(directory: WakeDirectory) -> None:
    directory.path.mkdir()
    file = directory.path / "odd.asleep"
    file.write_text("mine")
    assert directory.wake() == 0
    assert file.with_suffix(".awake").read_text() == "mine"


def test_without_a_directory_a_sleep_lasts_its_time_and_the_log_says_why_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    directory = WakeDirectory(tmp_path / "file" / "wake")
    sleeper = Sleeper(directory)
    for _ in range(3):
        sleeper.prepare()
        assert not sleeper.sleep(0.01)
        assert directory.wake() == 0
        sleeper.wake_up()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
