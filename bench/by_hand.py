"""What a worker's bytes cost at least: received, hashed, written, read and sent, each by the fewest lines that do it.

`python -m bench.by_hand URL FOLDER ID...` prints CPU seconds per GiB of each step as JSON. The files are of an archive
at URL; what is sent goes to a process that discards it.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from bench.files import HASH
from workers.files import crc64nvme

BLOCK = 1 << 20
GIB = 1 << 30


def by_hand(url: str, folder: Path, archive_ids: Sequence[str]) -> dict[str, float]:
    """CPU seconds per GiB, by step."""
    used = {"receive": 0.0, "hash": 0.0, "write": 0.0, "read and send": 0.0}
    folder.mkdir(parents=True, exist_ok=True)
    target, size, sink = folder / "by-hand", 0, _sink()

    def spent(step: str, work: Callable[[], object]) -> None:
        began = time.process_time()
        work()
        used[step] += time.process_time() - began

    for archive_id in archive_ids:
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        spent("receive", lambda c=connection, i=archive_id: c.request("GET", f"/{i}"))  # type: ignore[misc]
        response, hasher, checksum = connection.getresponse(), hashlib.new(HASH, usedforsecurity=False), 0
        block = memoryview(bytearray(BLOCK))
        with target.open("wb", buffering=0) as out:
            while True:
                began = time.process_time()
                got = response.readinto(block)
                received = time.process_time()
                hasher.update(block[:got])
                checksum = crc64nvme.update(block[:got], checksum)
                hashed = time.process_time()
                out.write(block[:got])
                for step, seconds in (("receive", received - began), ("hash", hashed - received)):
                    used[step] += seconds
                used["write"] += time.process_time() - hashed
                size += got
                if not got:
                    break
        spent("read and send", lambda b=block: _send(target, sink, b))  # type: ignore[misc]
        connection.close()
    sink.close()
    target.unlink()
    return {step: seconds * GIB / size for step, seconds in used.items()}


def _send(source: Path, sink: socket.socket, block: memoryview) -> None:
    with source.open("rb", buffering=0) as file:
        while got := file.readinto(block):
            sink.sendall(block[:got])


def _sink() -> socket.socket:
    """A connection over loopback to another process, which discards what comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        if os.fork() == 0:
            connection, _ = server.accept()
            block = bytearray(BLOCK)
            while connection.recv_into(block):
                pass
            os._exit(0)
        return socket.create_connection(server.getsockname())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.by_hand", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("ids", nargs="+")
    options = parser.parse_args()
    print(json.dumps(by_hand(options.url, options.folder, options.ids)))


if __name__ == "__main__":
    main()
