"""Runs a command of pacifica-cartd-cmd in the site's VPC on AWS: as a task of its own, whose output it prints.

    $(terraform output -raw command) status

It needs boto3 and the right to run the task, to look at it and to read its log. It ends with the command's exit code,
or with 1 when the task did not run.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import boto3

CONTAINER = "operate"
LOOK_EVERY = 2.0  # seconds
LOGS_LATE = 10.0  # seconds after the end of a task in which its last lines still come


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    command = [part for part in given.command if part != "--"]
    if not command:
        parser().error("name a command, such as: status")
    session = boto3.session.Session(region_name=given.region)
    task = OperatorTask(session.client("ecs"), session.client("logs"), given.cluster, given.log_group)
    try:
        return task.run(given.task, given.subnets.split(","), given.security_group, command)
    except TaskFailed as error:
        print(f"operate: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    description = (
        "Run a command of pacifica-cartd-cmd in the site's VPC. `terraform output -raw command` prints the options."
    )
    found = argparse.ArgumentParser("python -m infra.operate", description=description)
    for name in ("region", "cluster", "task", "subnets", "security-group", "log-group"):
        found.add_argument(f"--{name}", required=True, help=argparse.SUPPRESS)
    found.add_argument("command", nargs=argparse.REMAINDER, help="the command and its arguments, such as: show mycart")
    return found


class TaskFailed(Exception):
    """The task did not start, or ended without an exit code; the message says why."""


class OperatorTask:
    def __init__(
        self,
        ecs: Any,
        logs: Any,
        cluster: str,
        log_group: str,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ecs = ecs
        self._logs = logs
        self._cluster = cluster
        self._log_group = log_group
        self._sleep = sleep
        self._clock = clock

    def run(self, definition: str, subnets: Sequence[str], group: str, command: Sequence[str]) -> int:
        """Run the command to its end, printing what it prints; return its exit code. Raises TaskFailed."""
        arn = self._start(definition, subnets, group, ["pacifica-cartd-cmd", *command])
        print(f"operate: starting {arn.rpartition('/')[2]}; this takes half a minute", file=sys.stderr)
        lines = _Lines(self._logs, self._log_group, f"operate/{CONTAINER}/{arn.rpartition('/')[2]}")
        while True:
            task = self._ecs.describe_tasks(cluster=self._cluster, tasks=[arn])["tasks"][0]
            lines.print_new()
            if task["lastStatus"] == "STOPPED":
                break
            self._sleep(LOOK_EVERY)
        end = self._clock() + LOGS_LATE
        while lines.print_new() or self._clock() < end:
            self._sleep(LOOK_EVERY)
        return _exit_code(task)

    def _start(self, definition: str, subnets: Sequence[str], group: str, command: Sequence[str]) -> str:
        network = {"subnets": list(subnets), "securityGroups": [group], "assignPublicIp": "DISABLED"}
        answer = self._ecs.run_task(
            cluster=self._cluster,
            taskDefinition=definition,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": network},
            overrides={"containerOverrides": [{"name": CONTAINER, "command": list(command)}]},
        )
        if not answer["tasks"]:
            reasons = "; ".join(str(failure.get("reason")) for failure in answer.get("failures", []))
            raise TaskFailed(f"ECS did not start the task: {reasons or 'it gives no reason'}")
        return str(answer["tasks"][0]["taskArn"])


class _Lines:
    """The lines of one log stream, each printed once."""

    def __init__(self, logs: Any, group: str, stream: str) -> None:
        self._logs = logs
        self._where = {"logGroupName": group, "logStreamName": stream, "startFromHead": True}
        self._token: dict[str, str] = {}

    def print_new(self) -> bool:
        """Print what came since the last time; whether there was any."""
        printed = False
        while True:
            try:
                page = self._logs.get_log_events(**self._where, **self._token)
            except self._logs.exceptions.ResourceNotFoundException:
                return printed  # the task has not printed yet
            for event in page["events"]:
                print(event["message"], flush=True)
                printed = True
            ended = self._token.get("nextToken") == page["nextForwardToken"]
            self._token = {"nextToken": page["nextForwardToken"]}
            if ended or not page["events"]:
                return printed


def _exit_code(task: dict[str, Any]) -> int:
    for container in task.get("containers", []):
        if container.get("name") == CONTAINER and container.get("exitCode") is not None:
            return int(container["exitCode"])
    raise TaskFailed(f"the task ended without an exit code: {task.get('stoppedReason', 'ECS gives no reason')}")


if __name__ == "__main__":
    sys.exit(main())
