"""The peer: pacifica-cartd 0.7.0 as its maintainers run it, on the same MariaDB server and archive as the cart.

Celery with four processes, Redis as broker and result store, CherryPy with ten threads as HTTP server.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench import trash
from bench.mariadb import Server
from bench.meter import Groups
from bench.processes import BenchFailed, running
from infra.local.ports import LOOPBACK
from infra.local.probes import http_get

PROCESSES = "4"
DATABASE = "bench_peer"
#: Celery binds this queue when a worker is ready for tasks.
READY_KEY = "_kombu.binding.celery.pidbox"
CHERRYPY = """\
[global]
server.socket_host: '{host}'
server.socket_port: {port}
server.max_request_body_size: 0
server.thread_pool: 10
log.screen: False
engine.autoreload.on: False

[/]
request.dispatch: cherrypy.dispatch.MethodDispatcher()
tools.response_headers.on: True
tools.response_headers.headers: [('Content-Type', 'application/json')]
"""


@dataclass(frozen=True, slots=True)
class Peer:
    url: str
    redis_port: int
    roots: Groups
    volume: Path
    name: str = "peer"

    def groups(self) -> Groups:
        return self.roots

    def messages(self) -> int:
        """Messages sent through the broker so far."""
        stats = _redis(self.redis_port, "INFO", "commandstats")
        found = [line for line in stats.splitlines() if line.startswith("cmdstat_lpush:")]
        return int(found[0].partition("calls=")[2].partition(",")[0]) if found else 0

    def empty_volume(self) -> None:
        """Remove what its carts left on the volume, so that nothing is staged for the next."""
        for path in self.volume.iterdir():
            trash.move(self.volume.parent.parent, path)


@contextmanager
def started(programs: Path, folder: Path, ports: tuple[int, int], server: Server, archive_url: str) -> Iterator[Peer]:
    """Start the whole peer with empty state; `ports` are those of its API and of Redis. Raises BenchFailed."""
    port, redis_port = ports
    volume = folder / "volume"
    trash.move(folder.parent, folder)
    volume.mkdir(parents=True)
    server.recreate(DATABASE)
    env = _environment(folder, port, redis_port, server, archive_url)
    with ExitStack() as stack:

        def start(name: str, is_ready: Callable[[], bool], *command: str) -> int:
            log = folder / "log" / f"{name}.log"
            return stack.enter_context(running(command, log, is_ready, env=env, cwd=folder))

        broker = start("redis", lambda: _redis(redis_port, "PING").startswith("+PONG"), *_redis_server(redis_port))
        _create_tables(programs, folder, env)
        cartd = (str(programs / "pacifica-cartd"), "-a", LOOPBACK, "-p", str(port), "--cpconfig", env["CARTD_CPCONFIG"])
        api = start("cartd", lambda: http_get(port) is not None, *cartd)
        celery = ("-A", "pacifica.cartd.tasks", "worker", "-c", PROCESSES, "-l", "warning")
        workers = start("celery", lambda: _is_ready(redis_port), str(programs / "celery"), *celery)
        roots = {"workers": [workers], "api": [api], "queue": [broker]}
        yield Peer(f"http://{LOOPBACK}:{port}", redis_port, roots, volume)
    trash.move(folder.parent, volume)


def _environment(folder: Path, port: int, redis_port: int, server: Server, archive_url: str) -> dict[str, str]:
    cherrypy, own = folder / "cherrypy.ini", folder / "cartd.ini"
    cherrypy.write_text(CHERRYPY.format(host=LOOPBACK, port=port))
    own.write_text("")
    return dict(os.environ) | {
        "PEEWEE_URL": server.url(DATABASE),
        "BROKER_URL": f"redis://{LOOPBACK}:{redis_port}/0",
        "BACKEND_URL": f"redis://{LOOPBACK}:{redis_port}/1",
        "ARCHIVE_INTERFACE_URL": archive_url,
        "VOLUME_PATH": f"{folder / 'volume'}/",
        "CARTD_CONFIG": str(own),
        "CARTD_CPCONFIG": str(cherrypy),
        "LRU_BUFFER_TIME": "0",
    }


def _redis_server(port: int) -> tuple[str, ...]:
    program = shutil.which("redis-server") or "redis-server"
    return (program, "--bind", LOOPBACK, "--port", str(port), "--save", "", "--appendonly", "no")


def _create_tables(programs: Path, folder: Path, env: dict[str, str]) -> None:
    done = subprocess.run(
        [str(programs / "pacifica-cartd-cmd"), "dbsync"], env=env, cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        raise BenchFailed(f"the peer's dbsync failed: {done.stderr[-500:]}")


def _is_ready(redis_port: int) -> bool:
    return _redis(redis_port, "EXISTS", READY_KEY).startswith(":1")


def _redis(port: int, *words: str) -> str:
    """The raw response to one command; empty when Redis does not answer."""
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=5) as connection:
        connection.sendall((" ".join(words) + "\r\nQUIT\r\n").encode())
        response = b""
        while block := connection.recv(1 << 16):
            response += block
        return response.decode(errors="replace")
    return ""
