"""One request to the archive and its answer, on a libcurl handle that is reused for one request after another.

Redirects are not followed, bodies are not decoded, and nothing is kept beyond what the request asks for.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import pycurl

from chalicelib.errors import ArchiveRefused, ArchiveTimedOut, ArchiveUnavailable

LARGEST_ERROR_BODY = 4096  # bytes kept of a body that was not asked for, for the log
RECEIVE_BUFFER = 256 << 10  # bytes
#: A network device may silently drop a connection that is idle for longer: a request on it would cost a timeout.
IDLE_LIFE = 20  # seconds
OK = 200

UNREACHED = (
    pycurl.E_COULDNT_RESOLVE_HOST,
    pycurl.E_COULDNT_CONNECT,
    pycurl.E_OPERATION_TIMEDOUT,  # libcurl times only the connecting
    pycurl.E_SSL_CONNECT_ERROR,
    pycurl.E_PEER_FAILED_VERIFICATION,
)


@dataclass(frozen=True, slots=True)
class Request:
    """`target`: path and query, quoted. `limit`: bytes kept of a 200's body; the rest is not read.

    `take` receives a 200's body instead, block by block, each valid only during the call. If it raises, the request
    ends.
    """

    method: Literal["HEAD", "GET", "POST"]
    target: str
    limit: int = LARGEST_ERROR_BODY
    take: Callable[[memoryview], None] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers`: by lower-case name. `body`: as much of it as was kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class EnoughReceived(Exception):
    """As much of the body has arrived as is needed."""


class CurlHandle:
    """A libcurl handle. `active_at`: when the archive last sent anything, or the request began, by `clock`."""

    def __init__(self, url: str, connect_timeout: float, clock: Callable[[], float]) -> None:
        address = urlsplit(url)
        self._clock = clock
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
        self.active_at = 0.0

    def begin(self, request: Request) -> None:
        self._request, self._status, self._head, self._headers = request, 0, [], None
        self._body, self._raised = bytearray(), None
        self.active_at = self._clock()
        self.curl.setopt(pycurl.URL, self._origin + request.target)
        for option, value in _METHODS[request.method]:
            self.curl.setopt(option, value)

    def answer(self, error: int | None) -> Answer:
        """The answer to the request; `error`: libcurl's error code, if it ended with one.

        Raises ArchiveUnavailable, ArchiveRefused, and what the request's `take` raised.
        """
        if self._raised is not None and not isinstance(self._raised, EnoughReceived):
            raise self._raised
        if self._raised is None and error is not None:
            if error == pycurl.E_BAD_CONTENT_ENCODING:
                raise _unexpected_encoding()
            where = "cannot connect to the archive" if error in UNREACHED else "the connection to the archive broke"
            raise ArchiveUnavailable(where)
        return Answer(self._status, self._read_head(), bytes(self._body))

    def close(self) -> None:
        self.curl.close()

    def _read_head(self) -> dict[str, str]:
        """The headers of the final answer; interim answers may have preceded it."""
        if self._headers is None:
            pairs = (line.decode("latin-1").partition(":") for line in self._head)
            self._headers = {name.lower(): value.strip() for name, _, value in pairs}
        return self._headers

    def _on_header(self, line: bytes) -> None:
        self.active_at = self._clock()
        if line.startswith(b"HTTP/"):
            self._head = []
            status = line[8:].split()[:1]
            self._status = int(status[0]) if status and status[0].isdigit() else 0
        else:
            self._head.append(line)

    def _on_body(self, block: memoryview) -> int:
        """Return the number of bytes accepted; libcurl aborts the transfer when that is not all of them."""
        try:
            self._receive(block)
        except BaseException as error:
            # Any exception: libcurl is on the stack, so it is raised later, from `answer`.
            self._raised = error
            return -1
        finally:
            self.active_at = self._clock()
        return len(block)

    def _receive(self, block: memoryview) -> None:
        expected = self._request.method == "GET" and self._status == OK
        if expected and not self._body:
            _check_encodings(self._read_head())
        if expected and self._request.take:
            self._request.take(block)
            return
        limit = self._request.limit if expected else LARGEST_ERROR_BODY
        self._body += block[: limit - len(self._body)]
        if len(self._body) >= limit:
            raise EnoughReceived


def timed_out(seconds: float) -> ArchiveTimedOut:
    return ArchiveTimedOut(f"archive did not answer within {seconds:g} s")


def _check_encodings(headers: Mapping[str, str]) -> None:
    """Refuse an encoding that was not asked for: decoded, the body may grow without bound."""
    content = headers.get("content-encoding", "identity").lower()
    transfer = headers.get("transfer-encoding", "chunked").lower()
    if (content, transfer) != ("identity", "chunked"):
        raise _unexpected_encoding()


def _unexpected_encoding() -> ArchiveRefused:
    return ArchiveRefused("archive sent the file in an encoding that was not asked for")


def _trust() -> dict[int, object]:
    """The paths of the system's certificate authorities, which libcurl's wheel does not know."""
    paths = ssl.get_default_verify_paths()
    found: dict[int, object] = {pycurl.CAINFO: paths.cafile, pycurl.CAPATH: paths.capath}
    return {option: path for option, path in found.items() if path}


_OPTIONS: dict[int, object] = {
    pycurl.NOSIGNAL: 1,
    pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
    pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
    pycurl.PROXY: "",  # ignore the proxies of the environment
    pycurl.PATH_AS_IS: 1,
    pycurl.MAXAGE_CONN: IDLE_LIFE,
    pycurl.BUFFERSIZE: RECEIVE_BUFFER,
    pycurl.USERAGENT: "pacifica-data-cart",
    pycurl.HTTPHEADER: ["Accept-Encoding: identity", "Accept:", "Content-Type:", "Expect:"],
}
_METHODS: dict[str, tuple[tuple[int, object], ...]] = {
    "HEAD": ((pycurl.NOBODY, 1),),
    "GET": ((pycurl.HTTPGET, 1),),
    "POST": ((pycurl.POST, 1), (pycurl.POSTFIELDS, b"")),
}
