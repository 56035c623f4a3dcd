"""A fast tape archive for tests: `python -m infra.local.archive_simulator --port PORT --dir DIR`.

It speaks the archive interface's protocol (archive_simulator_core.py) and serves the files of DIR by name and synthetic
files (`gen-<size>-<seed>`), with a simulated tape library and faults on demand. Tests run it in a thread with
`running_simulator()`. A contract test checks that it behaves like the real archive interface.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.local.archive_simulator_core import Simulator
from infra.local.archive_simulator_faults import Faults
from infra.local.archive_simulator_http import Connection
from infra.local.archive_simulator_tape import Tape

HOST = "127.0.0.1"
TIMEOUT = 30.0
BACKLOG = 1024


class RunningSimulator:
    """A client of the simulator at `url`, which may run in this process or another."""

    def __init__(self, url: str) -> None:
        self.url = url

    def stats(self) -> dict[str, Any]:
        """`totals` and `ids` (heads, recalls, gets, bytes), `faults` injected, `connections`, `peak` concurrency."""
        return self._request("GET", "/_stats")

    def control(self, **changes: object) -> None:
        """Change faults; the names are the fields of Faults. Raises ValueError for an invalid one."""
        self._request("POST", "/_control", changes)

    def reset(self) -> None:
        """Set the counters to zero and return every recalled file to tape."""
        self._request("POST", "/_reset", {})

    def _request(self, method: str, path: str, content: object = None) -> dict[str, Any]:
        host, _, port = self.url.removeprefix("http://").rstrip("/").partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT)
        try:
            connection.request(method, path, None if content is None else json.dumps(content, default=list))
            response = connection.getresponse()
            answer: dict[str, Any] = json.load(response)
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(answer["message"])
        return answer


@contextmanager
def running_simulator(
    folder: Path | None = None,
    *,
    tape: float = 0.0,
    recall: float = 0.0,
    batch: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
    **faults: object,
) -> Iterator[RunningSimulator]:
    """Run a simulator in a thread, on a free loopback port, until the block ends.

    Arguments: `folder` of stored files, share of ids on `tape` (0 to 1), seconds of `recall` and `batch`, and `faults`.
    """
    library = Tape(clock, share=tape, latency=recall, batch=batch)
    simulator = Simulator(folder, library, Faults().changed(faults))
    listening: Future[str] = Future()
    stop: Future[None] = Future()
    thread = threading.Thread(target=asyncio.run, args=[_serve(simulator, 0, listening, stop)], daemon=True)
    thread.start()
    try:
        yield RunningSimulator(listening.result(TIMEOUT))
    finally:
        stop.set_result(None)
        thread.join()


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    library = Tape(time.monotonic, share=options.tape, latency=options.recall, batch=options.batch)
    simulator = Simulator(options.dir, library, Faults().changed(dict(options.fault)))
    stop: Future[None] = Future()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.cancel())
    asyncio.run(_serve(simulator, options.port, _print_when_listening(), stop))


def _print_when_listening() -> Future[str]:
    """A future that prints the URL set as its result."""
    listening: Future[str] = Future()
    listening.add_done_callback(lambda done: print(f"ready: {done.result()}", flush=True))
    return listening


async def _serve(simulator: Simulator, port: int, listening: Future[str], stop: Future[None]) -> None:
    """Set the URL as the result of `listening`, then serve until `stop` is done."""
    connections: set[Connection] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(simulator, connections), HOST, port, backlog=BACKLOG)
    listening.set_result(f"http://{HOST}:{server.sockets[0].getsockname()[1]}/")
    await asyncio.wait([asyncio.wrap_future(stop)])
    server.close()
    for connection in list(connections):
        connection.abort()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="archive_simulator", description="A simulated tape archive, for tests.")
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0, the default, picks a free one")
    parser.add_argument("--dir", type=Path, help="folder of the archive's files; the file name is the id")
    parser.add_argument(
        "--tape", type=float, nargs="?", const=1.0, default=0.0, help="share of files that start on tape, 0 to 1"
    )
    parser.add_argument("--recall", type=float, default=0.0, metavar="SECONDS", help="time from tape mount to online")
    parser.add_argument(
        "--batch", type=float, default=0.0, metavar="SECONDS", help="collect recalls this long for one tape mount"
    )
    parser.add_argument(
        "--fault", type=_fault, action="append", default=[], metavar="NAME=JSON", help="e.g. error=0.05; repeatable"
    )
    return parser


def _fault(option: str) -> tuple[str, object]:
    name, _, value = option.partition("=")
    Faults().changed({name: json.loads(value)})
    return name, json.loads(value)


if __name__ == "__main__":
    main()
