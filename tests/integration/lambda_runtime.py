"""Lambda's own Python runtime, in a process, and the Runtime API that it asks for its invocations."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ARN = "arn:aws:lambda:us-east-1:123456789012:function:cart-api"
HEADER = 16  # bytes: type, length and time of a frame of the platform's log


@dataclass
class Ran:
    """`answers`: what each invocation returned. `lines`: what was printed. `frames`: type and text of each frame."""

    answers: list[Any] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    frames: list[tuple[int, str]] = field(default_factory=list)

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The lines that are JSON."""
        return [json.loads(line) for line in self.lines if line.startswith("{")]


class RuntimeApi:
    """Hands out the events one after the other, and keeps the answers."""

    def __init__(self, events: Sequence[Any]) -> None:
        self.answers: list[Any] = []
        self.over, self.ended = threading.Event(), threading.Event()
        left, api = list(enumerate(events)), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if not left:
                    api.over.set()
                    api.ended.wait()  # as the platform, which freezes the process
                    self.close_connection = True
                    return
                number, event = left.pop(0)
                more = {"Lambda-Runtime-Aws-Request-Id": f"invocation-{number}"}
                more |= {"Lambda-Runtime-Deadline-Ms": "9999999999999", "Lambda-Runtime-Invoked-Function-Arn": ARN}
                self._answer(200, json.dumps(event).encode(), {**more, "Content-Type": "application/json"})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                api.answers.append(json.loads(body))
                self._answer(202, b"{}", {"Content-Type": "application/json"})

            def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def run(handler: str, events: Sequence[Any], environ: Mapping[str, str], *, framed: bool = False) -> Ran:
    """Invoke `handler` with each event. `framed`: over the descriptor that the platform reads log frames from."""
    api, (read, write) = RuntimeApi(events), os.pipe()
    variables = {"PATH": os.environ["PATH"], **environ, "AWS_LAMBDA_RUNTIME_API": api.address, "_HANDLER": handler}
    if framed:
        variables["_LAMBDA_TELEMETRY_LOG_FD"] = str(write)
    command = [sys.executable, "-m", "awslambdaric", handler]
    process = subprocess.Popen(
        command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, pass_fds=[write]
    )
    os.close(write)
    try:
        while not api.over.wait(0.05) and process.poll() is None:
            pass
    finally:
        process.kill()
        printed, _ = process.communicate(timeout=60)
        api.ended.set()
        api.server.shutdown()
        api.server.server_close()
    with os.fdopen(read, "rb") as pipe:
        return Ran(api.answers, printed.splitlines(), list(_frames(pipe.read())))


def _frames(content: bytes) -> Any:
    while content:
        length = int.from_bytes(content[4:8], "big")
        yield int.from_bytes(content[:4], "big"), content[HEADER : HEADER + length].decode()
        content = content[HEADER + length :]
