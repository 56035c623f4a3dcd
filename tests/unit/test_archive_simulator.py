"""What the simulated archive adds to the protocol: synthetic files, tape, faults, counters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.archive_simulator import RunningSimulator, running_simulator
from infra.local.archive_simulator_core import End, Request, Simulator, Step, Wait
from infra.local.archive_simulator_faults import FaultDice, Faults
from infra.local.archive_simulator_files import PERIOD, find
from infra.local.archive_simulator_tape import Tape


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def content(archive_id: str, start: int, stop: int) -> bytes:
    file = find(None, archive_id)
    assert file
    return b"".join(file.chunks(start, stop))


def steps(simulator: Simulator, method: str, target: str, body: bytes | None = None) -> list[Step]:
    return list(simulator.answer(Request(method, target, body, close=False)))


def written(executed: list[Step]) -> bytes:
    return b"".join(step for step in executed if not isinstance(step, (Wait, End)))


def simulated(tape: Tape | None = None, /, **faults: object) -> Simulator:
    library = tape or Tape(Clock(), share=0, latency=0, batch=0)
    return Simulator(None, library, Faults().changed(faults))


def body_of(simulator: Simulator, archive_id: str) -> bytes:
    """The body of a GET without its chunked encoding."""
    chunks = [step for step in steps(simulator, "GET", f"/{archive_id}") if isinstance(step, (bytes, memoryview))]
    return b"".join(chunks[2:-1:3])


# synthetic files


@pytest.mark.parametrize("size", [0, 1, 10_240, PERIOD - 1, PERIOD, PERIOD + 1, 3 * PERIOD + 5])
def test_a_range_of_a_synthetic_file_equals_that_range_of_the_whole_file(size: int) -> None:
    archive_id = f"gen-{size}-seed"
    whole = content(archive_id, 0, size)
    assert len(whole) == size
    for start in (0, size // 3, size // 2, max(0, size - 1), size):
        assert content(archive_id, start, size + 10) == whole[start:]
        assert content(archive_id, start, start + 5) == whole[start : start + 5]


def test_synthetic_files_differ_by_seed_and_never_change() -> None:
    assert content("gen-100-a", 0, 100) == content("gen-100-a", 0, 100) != content("gen-100-b", 0, 100)
    first, second = find(None, "gen-100-a"), find(None, "gen-100-b")
    assert first
    assert second
    assert first.mtime != second.mtime


@pytest.mark.parametrize("archive_id", ["", ".", "..", "../file", "sub/file", "sub", "x\0y", "n" * 300, "gen-x-1"])
def test_only_files_directly_in_the_folder_are_found(tmp_path: Path, archive_id: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").touch()
    (tmp_path / "file").touch()
    assert find(tmp_path / "sub", archive_id) is None
    assert find(tmp_path, "file")


# tape


def test_recalls_of_one_batch_come_online_together() -> None:
    clock = Clock()
    tape = Tape(clock, share=1, latency=100, batch=10)
    assert tape.recall("a") == 110
    clock.now = 9
    assert tape.recall("b") == 101
    clock.now = 10
    assert tape.recall("c") == 110
    clock.now = 110
    assert (tape.online("a"), tape.online("b"), tape.online("c")) == (True, True, False)


def test_a_second_recall_of_a_file_has_no_effect() -> None:
    clock = Clock()
    tape = Tape(clock, share=1, latency=100, batch=0)
    tape.recall("a")
    clock.now = 60
    assert tape.recall("a") == 40
    clock.now = 100
    assert tape.recall("a") == 0


def test_a_share_of_the_files_starts_on_tape() -> None:
    tape = Tape(Clock(), share=0.25, latency=1, batch=0)
    on_tape = sum(not tape.online(str(number)) for number in range(1000))
    assert 200 < on_tape < 300


def test_a_get_of_a_file_on_tape_recalls_it_and_waits() -> None:
    tape = Tape(Clock(), share=1, latency=30, batch=0)
    assert steps(simulated(tape), "GET", "/gen-5-1")[0] == Wait(30)
    assert b"Storage-Media: tape" in written(steps(simulated(tape), "HEAD", "/gen-5-1"))


def test_a_recall_is_answered_at_once_unless_recalls_block() -> None:
    tape = Tape(Clock(), share=1, latency=30, batch=0)
    assert Wait(30) not in steps(simulated(tape), "POST", "/gen-5-1", b"")
    assert Wait(30) in steps(simulated(tape, recall_blocks=True), "POST", "/gen-5-1", b"")


# faults


def test_a_corrupted_body_has_the_right_length_and_one_wrong_byte() -> None:
    wrong = body_of(simulated(wrong=1), "gen-600000-1")
    right = body_of(simulated(), "gen-600000-1")
    assert right == content("gen-600000-1", 0, 600_000)
    assert len(wrong) == len(right)
    assert sum(a != b for a, b in zip(wrong, right, strict=True)) == 1


@pytest.mark.parametrize(("fault", "end"), [("truncate", End.CLOSE), ("reset", End.RESET)])
def test_a_broken_body_starts_but_has_no_final_chunk(fault: str, end: End) -> None:
    executed = steps(simulated(**{fault: 1}), "GET", "/gen-1000-1")
    before = written(executed[: executed.index(end)])
    assert content("gen-1000-1", 0, 600) in before
    assert not before.endswith(b"0\r\n\r\n")


def test_the_first_gets_of_an_id_fail_as_configured() -> None:
    simulator = simulated(fail={"gen-100-1": {"wrong": 2, "error": 1}})
    right = content("gen-100-1", 0, 100)
    assert body_of(simulator, "gen-100-2") == content("gen-100-2", 0, 100)
    assert [body_of(simulator, "gen-100-1") == right for _ in range(2)] == [False, False]
    assert b"500 Internal" in written(steps(simulator, "GET", "/gen-100-1"))
    assert body_of(simulator, "gen-100-1") == right


def test_the_same_seed_draws_the_same_faults_at_the_configured_rate() -> None:
    faults = Faults(error=0.1, seed=7)
    drawn = [[dice.draw("1", body=True) for _ in range(1000)] for dice in (FaultDice(faults), FaultDice(faults))]
    assert drawn[0] == drawn[1]
    assert 60 < drawn[0].count("error") < 140


def test_a_missing_id_answers_500_and_a_damaged_one_reports_media_error() -> None:
    simulator = simulated(missing=["gen-1-1"], damaged=["gen-1-2"])
    assert b"500 Internal" in written(steps(simulator, "HEAD", "/gen-1-1"))
    assert b"Storage-Media: error" in written(steps(simulator, "HEAD", "/gen-1-2"))


def test_a_file_has_the_time_it_is_given_and_drips_at_the_pace_it_is_given() -> None:
    simulator = simulated(mtimes={"gen-3-1": "-86400.5"}, drip={"gen-3-1": 9.0})
    assert b"Last-Modified: -86400.5\r\n" in written(steps(simulator, "HEAD", "/gen-3-1"))
    assert [step.seconds for step in steps(simulator, "GET", "/gen-3-1") if isinstance(step, Wait)] == [9.0] * 3


@pytest.mark.parametrize(
    "bad", [{"eror": 0.1}, {"error": 2}, {"error": "x"}, {"fail": {"1": {"burn": 1}}}, {"fail": 3}]
)
def test_an_invalid_fault_is_rejected(simulator: RunningSimulator, bad: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the messages differ
        simulator.control(**bad)


# over the wire


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator() as simulator:
        yield simulator


def test_faults_and_counters_are_available_over_http(simulator: RunningSimulator) -> None:
    simulator.control(missing=["a"], latency_ms=1)
    simulator.control(down=True)
    simulator.reset()
    assert simulator.stats() == {
        "totals": {"heads": 0, "recalls": 0, "gets": 0, "bytes": 0},
        "ids": {},
        "faults": {},
        "connections": 1,
        "peak": 0,
    }
