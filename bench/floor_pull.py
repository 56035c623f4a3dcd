"""The floor of pulling: concurrent raw HTTP, the bytes dropped as they come. It checks nothing and keeps nothing."""

from __future__ import annotations

import http.client
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlsplit

from bench.files import File, total

THREADS = 8  # 4 to 16 make no difference to the real archive
BUFFER = 1 << 20
TIMEOUT = 600.0
BOTH, GET_ONLY = ("HEAD", "GET"), ("GET",)


def pull(url: str, files: Sequence[File], methods: Sequence[str] = BOTH, threads: int = THREADS) -> float:
    """Seconds to ask the archive for every file by each of the methods."""
    left = deque(files)
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        lanes = [pool.submit(_pull_what_is_left, url, left, methods) for _ in range(threads)]
        received = sum(lane.result() for lane in lanes)
    seconds = time.perf_counter() - began
    if received != total(files):
        raise ValueError(f"the archive sent {received} bytes of {total(files)}")
    return seconds


def _pull_what_is_left(url: str, left: deque[File], methods: Sequence[str]) -> int:
    """Bytes received; all lanes take from the same files."""
    received = 0
    with closing(_Lane(url)) as lane:
        while left:
            try:
                file = left.popleft()
            except IndexError:
                break  # another lane took the last one
            received += sum(lane.ask(method, file.archive_id) for method in methods)
    return received


class _Lane:
    """One connection, opened again where the archive closes it."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT)
        self._buffer = memoryview(bytearray(BUFFER))

    def close(self) -> None:
        self._connection.close()

    def ask(self, method: str, archive_id: str) -> int:
        """Bytes of the answer's body."""
        self._connection.request(method, f"/{archive_id}")
        response = self._connection.getresponse()
        received = 0
        while read := response.readinto(self._buffer):
            received += read
        if response.status not in (200, 204):
            raise ValueError(f"the archive answered {response.status}")
        return received
