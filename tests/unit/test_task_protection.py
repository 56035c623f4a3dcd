"""A worker asks its ECS agent for protection while it has a job, against a stand-in of the agent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from workers.runtime.task_protection import ProtectionPolicy, TaskProtection

POLICY = ProtectionPolicy()


class Agent:
    """`asked`: the bodies that came to the right path. `answer`: status and body of each answer."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []
        self.answer = (200, {"protection": {"ProtectionEnabled": True}})
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                assert self.path == "/api/task/task-protection/v1/state"
                agent.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                status, body = agent.answer
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/api/task"


class Worker:
    """`looks` looks once, `after` so many seconds."""

    def __init__(self, url: str) -> None:
        self.busy, self._now = False, 0.0
        self._protection = TaskProtection(url, lambda: self.busy, POLICY, lambda: self._now)

    def looks(self, after: float = 1.0) -> None:
        self._now += after
        self._protection.look()


@pytest.fixture
def agent() -> Iterator[Agent]:
    agent = Agent()
    thread = threading.Thread(target=agent.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield agent
    agent.server.shutdown()
    agent.server.server_close()


ON, OFF = {"ProtectionEnabled": True, "ExpiresInMinutes": POLICY.expires}, {"ProtectionEnabled": False}


def test_protection_is_asked_for_renewed_while_busy_and_given_back(agent: Agent) -> None:
    worker = Worker(agent.url)
    worker.looks()
    assert agent.asked == []
    worker.busy = True
    worker.looks()
    worker.looks()
    assert agent.asked == [ON]
    worker.looks(POLICY.renew)
    assert agent.asked == [ON, ON]
    worker.busy = False
    worker.looks()
    worker.looks()
    assert agent.asked == [ON, ON, OFF]


def test_it_is_renewed_before_it_expires() -> None:
    assert POLICY.renew + 2 * POLICY.every < POLICY.expires * 60


def test_a_worker_that_is_always_busy_can_be_stopped_now_and_then(agent: Agent) -> None:
    worker = Worker(agent.url)
    worker.busy = True
    worker.looks()
    worker.looks(POLICY.longest)
    worker.looks(POLICY.rest - 1)
    assert agent.asked == [ON, OFF]
    worker.looks(1)
    assert agent.asked == [ON, OFF, ON]


@pytest.mark.parametrize(
    "answer", [(400, {"error": {"Code": "AccessDeniedException"}}), (200, {"failure": {"Reason": "TASK_NOT_VALID"}})]
)
def test_a_refusal_is_logged_once_and_asked_again_when_it_is_renewed(
    agent: Agent, answer: tuple[int, dict[str, object]], caplog: pytest.LogCaptureFixture
) -> None:
    agent.answer = answer  # type: ignore[assignment]
    worker = Worker(agent.url)
    worker.busy = True
    worker.looks()
    worker.looks()
    worker.looks(POLICY.renew)
    assert agent.asked == [ON, ON]
    assert [record.message[:34] for record in caplog.records] == ["ECS does not protect this task whi"]


def test_an_agent_that_is_not_there_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker("http://127.0.0.1:9/api/task")
    worker.busy = True
    worker.looks()
    assert "Connection refused" in caplog.text
