"""The floor of pulling: concurrent raw HTTP requests whose bytes are discarded unchecked."""

from __future__ import annotations

import http.client
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlsplit

from bench.files import File, total

THREADS = 8  # anything from 4 to 16 gives the same time on the real archive
BUFFER = 1 << 20
TIMEOUT = 600.0
BOTH, GET_ONLY = ("HEAD", "GET"), ("GET",)


def pull(url: str, files: Sequence[File], methods: Sequence[str] = BOTH, threads: int = THREADS) -> float:
    """Request every file by each of the methods. Returns seconds."""
    left = deque(files)
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        pulls = [pool.submit(_pull_until_empty, url, left, methods) for _ in range(threads)]
        received = sum(pull.result() for pull in pulls)
    seconds = time.perf_counter() - began
    if received != total(files):
        raise ValueError(f"the archive sent {received} bytes of {total(files)}")
    return seconds


def _pull_until_empty(url: str, left: deque[File], methods: Sequence[str]) -> int:
    """Take files from the shared queue until it is empty. Returns the bytes received."""
    received = 0
    with closing(_Connection(url)) as connection:
        while left:
            try:
                file = left.popleft()
            except IndexError:
                break  # another thread took the last one
            received += sum(connection.request(method, file.archive_id) for method in methods)
    return received


class _Connection:
    """One connection; http.client reopens it when the archive has closed it."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT)
        self._buffer = memoryview(bytearray(BUFFER))

    def close(self) -> None:
        self._connection.close()

    def request(self, method: str, archive_id: str) -> int:
        """Returns the length of the response body. Raises ValueError for any status but 200 and 204."""
        self._connection.request(method, f"/{archive_id}")
        response = self._connection.getresponse()
        received = 0
        while read := response.readinto(self._buffer):
            received += read
        if response.status not in (200, 204):
            raise ValueError(f"the archive answered {response.status}")
        return received
