"""`python -m infra.operate`: what it asks of ECS, what it prints, and the exit code."""

from __future__ import annotations

from typing import Any

import pytest

from infra.operate import OperatorTask, TaskFailed, parser

ARN = "arn:aws:ecs:us-east-1:1:task/cart/abc"


class Ecs:
    """A task that stops when it is looked at for the third time."""

    def __init__(self, exit_code: int | None = 0, starts: bool = True) -> None:
        self.asked: dict[str, Any] = {}
        self._exit_code = exit_code
        self._starts = starts
        self._looks = 0

    def run_task(self, **asked: Any) -> dict[str, Any]:
        self.asked = asked
        return {"tasks": [{"taskArn": ARN}] if self._starts else [], "failures": [{"reason": "no capacity"}]}

    def describe_tasks(self, **_: Any) -> dict[str, Any]:
        self._looks += 1
        code = {} if self._exit_code is None else {"exitCode": self._exit_code}
        status = "STOPPED" if self._looks >= 3 else "RUNNING"
        return {
            "tasks": [{"lastStatus": status, "stoppedReason": "killed", "containers": [{"name": "operate", **code}]}]
        }


class Logs:
    """Lines that come one by one, the last one after the task has stopped; at first there is no stream."""

    class exceptions:  # boto3 names it so
        class ResourceNotFoundException(Exception):
            pass

    def __init__(self, *lines: str) -> None:
        self._lines = list(lines)
        self._calls = 0

    def get_log_events(self, nextToken: str = "0", **where: Any) -> dict[str, Any]:
        assert where["logStreamName"] == "operate/operate/abc"
        self._calls += 1
        if self._calls == 1:
            raise self.exceptions.ResourceNotFoundException
        at = int(nextToken)
        found = self._lines[at : at + 1] if self._calls % 2 else []
        return {"events": [{"message": line} for line in found], "nextForwardToken": str(at + len(found))}


def task(ecs: Ecs, logs: Logs) -> OperatorTask:
    now = iter(float(second) for second in range(1000))
    return OperatorTask(ecs, logs, "cart", "/cart/workers", sleep=lambda seconds: None, clock=lambda: next(now))


def test_the_command_is_run_its_lines_are_printed_and_its_exit_code_returned(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ecs = Ecs(exit_code=3)
    code = task(ecs, Logs("one", "two", "three")).run("cart-operate", ["s1", "s2"], "g", ["doctor", "--json"])
    assert (code, capsys.readouterr().out) == (3, "one\ntwo\nthree\n")
    (override,) = ecs.asked["overrides"]["containerOverrides"]
    assert override["command"] == ["pacifica-cartd-cmd", "doctor", "--json"]
    assert ecs.asked["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == ["s1", "s2"]


def test_a_task_that_does_not_start_says_why() -> None:
    with pytest.raises(TaskFailed, match="no capacity"):
        task(Ecs(starts=False), Logs()).run("cart-operate", ["s1"], "g", ["status"])


def test_a_task_that_was_killed_is_a_failure() -> None:
    with pytest.raises(TaskFailed, match="killed"):
        task(Ecs(exit_code=None), Logs()).run("cart-operate", ["s1"], "g", ["status"])


def test_options_of_the_command_are_not_taken_for_those_of_the_task() -> None:
    named = ("--region", "r", "--cluster", "c", "--task", "t", "--subnets", "s", "--security-group", "g")
    given = parser().parse_args([*named, "--log-group", "l", "--", "show", "a", "--json"])
    assert [part for part in given.command if part != "--"] == ["show", "a", "--json"]
