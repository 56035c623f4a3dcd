"""One request to the archive and its answer, on a libcurl handle that serves one request after another.

Nothing the archive sends is followed, decoded or kept beyond what the request asks for.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import pycurl

from chalicelib.errors import ArchiveRefused, ArchiveTimedOut, ArchiveUnavailable

LONGEST_COMPLAINT = 4096  # bytes kept of a body nobody asked for
RECEIVED_AT_ONCE = 256 << 10  # bytes
#: An idle connection older than this may have been dropped silently on the way: asking on it would cost a time-out.
IDLE_LIFE = 20  # seconds
OK = 200

UNREACHED = (
    pycurl.E_COULDNT_RESOLVE_HOST,
    pycurl.E_COULDNT_CONNECT,
    pycurl.E_OPERATION_TIMEDOUT,  # only connecting is timed by libcurl
    pycurl.E_SSL_CONNECT_ERROR,
    pycurl.E_PEER_FAILED_VERIFICATION,
)


@dataclass(frozen=True, slots=True)
class Request:
    """`target`: path and query, quoted. `most`: bytes of a 200's body that are kept; one with more is not read on.

    `take` gets a 200's body instead, block by block, each valid only during the call; what it raises ends the request.
    """

    method: Literal["HEAD", "GET", "POST"]
    target: str
    most: int = LONGEST_COMPLAINT
    take: Callable[[memoryview], None] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` by their names in lower case; `body` as far as it was kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Enough(Exception):
    """As much of the body has come as is wanted."""


class CurlHandle:
    """A libcurl handle. `heard`: when the archive last sent anything, or the request began."""

    def __init__(self, url: str, connect_timeout: float) -> None:
        address = urlsplit(url)
        self._origin = f"{address.scheme}://{address.netloc}"
        self.curl = pycurl.Curl()
        for option, value in (_OPTIONS | _trust()).items():
            self.curl.setopt(option, value)
        self.curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(connect_timeout * 1000))
        self.curl.setopt(pycurl.HEADERFUNCTION, self._on_header)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._on_body, use_memoryview=True)
        self._request = Request("HEAD", "")
        self._status = 0
        self._head: list[bytes] = []
        self._headers: dict[str, str] | None = None
        self._body = bytearray()
        self._raised: BaseException | None = None
        self.heard = 0.0

    def begin(self, request: Request) -> None:
        self._request, self._status, self._head, self._headers = request, 0, [], None
        self._body, self._raised = bytearray(), None
        self.heard = time.monotonic()
        self.curl.setopt(pycurl.URL, self._origin + request.target)
        for option, value in _METHODS[request.method]:
            self.curl.setopt(option, value)

    def answer(self, error: int | None) -> Answer:
        """What came of it; `error`: libcurl's, if it had one.

        Raises ArchiveUnavailable, ArchiveRefused, and what the request's `take` raised.
        """
        if self._raised is not None and not isinstance(self._raised, Enough):
            raise self._raised
        if self._raised is None and error is not None:
            if error == pycurl.E_BAD_CONTENT_ENCODING:
                raise _encoded()
            where = "cannot connect to the archive" if error in UNREACHED else "the connection to the archive broke"
            raise ArchiveUnavailable(where)
        return Answer(self._status, self._read_head(), bytes(self._body))

    def close(self) -> None:
        self.curl.close()

    def _read_head(self) -> dict[str, str]:
        """The headers of the last answer, which interim ones may have come before."""
        if self._headers is None:
            pairs = (line.decode("latin-1").partition(":") for line in self._head)
            self._headers = {name.lower(): value.strip() for name, _, value in pairs}
        return self._headers

    def _on_header(self, line: bytes) -> None:
        self.heard = time.monotonic()
        if line.startswith(b"HTTP/"):
            self._head = []
            status = line[8:].split()[:1]
            self._status = int(status[0]) if status and status[0].isdigit() else 0
        else:
            self._head.append(line)

    def _on_body(self, block: memoryview) -> int:
        """The number of bytes taken; libcurl gives up where that is not all of them."""
        try:
            self._receive(block)
        except BaseException as error:
            # Anything, since libcurl is between this and who has to know of it.
            self._raised = error
            return -1
        finally:
            self.heard = time.monotonic()
        return len(block)

    def _receive(self, block: memoryview) -> None:
        wanted = self._request.method == "GET" and self._status == OK
        if wanted and not self._body:
            _check_encodings(self._read_head())
        if wanted and self._request.take:
            self._request.take(block)
            return
        most = self._request.most if wanted else LONGEST_COMPLAINT
        self._body += block[: most - len(self._body)]
        if len(self._body) >= most:
            raise Enough


def timed_out(seconds: float) -> ArchiveTimedOut:
    return ArchiveTimedOut(f"archive did not answer within {seconds:g} s")


def _check_encodings(headers: Mapping[str, str]) -> None:
    """What is encoded unasked may grow without bound when decoded."""
    content = headers.get("content-encoding", "identity").lower()
    transfer = headers.get("transfer-encoding", "chunked").lower()
    if (content, transfer) != ("identity", "chunked"):
        raise _encoded()


def _encoded() -> ArchiveRefused:
    return ArchiveRefused("archive sent the file in an encoding that was not asked for")


def _trust() -> dict[int, object]:
    """The machine's certificate authorities: libcurl's wheel does not know where they are."""
    paths = ssl.get_default_verify_paths()
    found: dict[int, object] = {pycurl.CAINFO: paths.cafile, pycurl.CAPATH: paths.capath}
    return {option: path for option, path in found.items() if path}


_OPTIONS: dict[int, object] = {
    pycurl.NOSIGNAL: 1,
    pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
    pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
    pycurl.PROXY: "",  # whatever the environment says
    pycurl.PATH_AS_IS: 1,
    pycurl.MAXAGE_CONN: IDLE_LIFE,
    pycurl.BUFFERSIZE: RECEIVED_AT_ONCE,
    pycurl.USERAGENT: "pacifica-data-cart",
    pycurl.HTTPHEADER: ["Accept-Encoding: identity", "Accept:", "Content-Type:", "Expect:"],
}
_METHODS: dict[str, tuple[tuple[int, object], ...]] = {
    "HEAD": ((pycurl.NOBODY, 1),),
    "GET": ((pycurl.HTTPGET, 1),),
    "POST": ((pycurl.POST, 1), (pycurl.POSTFIELDS, b"")),
}
