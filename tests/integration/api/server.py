"""The API in its own process, under Granian or `chalice local`, and raw HTTP to it."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import IO

from infra.local.services import API_SERVER

ROOT = Path(__file__).parents[3]
GRANIAN = ("-m", "granian", "--workers", "1")
WSGI = ("--interface", "wsgi", "--http", "1", "--blocking-threads", "4", "--factory", "wsgi:application")
CHALICE = ("-c", "from chalice.cli import main; main()", "local", "--no-autoreload")
STARTS_WITHIN = 30.0


@dataclass(frozen=True)
class Server:
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def connection(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            yield connection


@contextmanager
def granian(environ: Mapping[str, str], *options: str) -> Iterator[Server]:
    """The server of `make run`, with one process."""
    port = free_port()
    command = [*GRANIAN, "--port", str(port), *API_SERVER, *options, "asgi:application"]
    with _running(command, port, environ) as server:
        yield server


@contextmanager
def wsgi_server(environ: Mapping[str, str]) -> Iterator[Server]:
    """The WSGI application, under a server that has nothing else of ours."""
    port = free_port()
    with _running([*GRANIAN, "--port", str(port), *WSGI], port, environ) as server:
        yield server


@contextmanager
def chalice_local(environ: Mapping[str, str]) -> Iterator[Server]:
    port = free_port()
    with _running([*CHALICE, "--port", str(port)], port, environ) as server:
        yield server


def exchange(connection: socket.socket, request: bytes, method: str = "GET") -> tuple[HTTPResponse, bytes]:
    """Send raw bytes and read exactly one response: leftover bytes would be read with the next one."""
    connection.sendall(request)
    answer = HTTPResponse(connection, method=method)
    answer.begin()
    return answer, answer.read()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(arguments: Sequence[str], port: int, environ: Mapping[str, str]) -> Iterator[Server]:
    with tempfile.TemporaryFile() as log:  # an unread pipe would block the server once it is full
        command = [sys.executable, *arguments]
        process = subprocess.Popen(command, cwd=ROOT, env=dict(environ), stdout=log, stderr=log)
        try:
            _wait(process, f"http://127.0.0.1:{port}/", log)
            yield Server(port, process.pid)
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait(process: subprocess.Popen[bytes], url: str, log: IO[bytes]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError:
            raise
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                log.seek(0)
                raise RuntimeError(f"no answer from the server: {log.read().decode()[-2000:]}") from None
            time.sleep(0.05)
        else:
            return
