"""The answer to one request, as it comes in.

Bodies are not decoded, and nothing is kept beyond what the request asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pycurl

from chalicelib.errors import ArchiveRefused, ArchiveTimedOut, ArchiveUnavailable
from workers.archive.limits import Limits, Waiting
from workers.archive.messages import LARGEST_ERROR_BODY, OK, Answer, EnoughReceived, Request

LARGEST_HEAD = 256 << 10  # bytes of headers, with those of interim answers before them and trailers after the body
FINAL = 200  # lower statuses are interim: another answer follows
FAILED = 400  # and higher statuses: such an answer brings nothing
BODILESS = (204, 304)

UNREACHED = (
    pycurl.E_COULDNT_RESOLVE_HOST,
    pycurl.E_COULDNT_CONNECT,
    pycurl.E_OPERATION_TIMEDOUT,  # libcurl times only the connecting
    pycurl.E_SSL_CONNECT_ERROR,
    pycurl.E_PEER_FAILED_VERIFICATION,
)


class IncomingAnswer:
    """`active_at`: when the archive last sent anything, or the request began, by `clock`."""

    __slots__ = (
        "_began",
        "_body",
        "_clock",
        "_head",
        "_head_size",
        "_headers",
        "_raised",
        "_received",
        "_request",
        "_status",
        "_waiting",
        "active_at",
    )

    def __init__(self, request: Request, clock: Callable[[], float], waiting: Waiting) -> None:
        self._request = request
        self._clock = clock
        self._waiting = waiting
        self._status = 0
        self._head: list[bytes] = []
        self._head_size = 0
        self._headers: dict[str, str] | None = None  # of the final answer, once they are complete
        self._body = bytearray()
        self._received = 0
        self._raised: BaseException | None = None
        self._began = waiting.seconds  # when the request began, and then the body
        self.active_at = clock()

    @property
    def received(self) -> int:
        """Bytes of the body so far."""
        return self._received

    def take_header(self, line: bytes) -> int:
        """Returns the number of bytes accepted; libcurl aborts the transfer when that is not all of them."""
        self.active_at = self._clock()
        self._head_size += len(line)
        if self._head_size > LARGEST_HEAD:
            self._raised = ArchiveUnavailable(f"archive sent more than {LARGEST_HEAD} bytes of headers")
            return -1
        if line.startswith(b"HTTP/"):
            self._begin_head(line)
        elif self._headers is None:  # otherwise it is a trailer
            if line not in (b"\r\n", b"\n"):
                self._head.append(line)
            elif self._status >= FINAL:
                self._end_head()
        return len(line)

    def take_body(self, block: memoryview) -> int:
        """As `take_header`."""
        try:
            self._receive(block)
        except BaseException as error:
            # Any exception: libcurl is on the stack, so it is raised later, from `answer`.
            self._raised = error
            return -1
        finally:
            self.active_at = self._clock()
        return len(block)

    def answer(self, error: int | None) -> Answer:
        """The whole answer; `error`: libcurl's error code, if the request ended with one.

        Raises ArchiveUnavailable, ArchiveRefused, and what the request's `take` raised.
        """
        if self._raised is not None and not isinstance(self._raised, EnoughReceived):
            raise self._raised
        if self._raised is None and error is not None:
            if error == pycurl.E_BAD_CONTENT_ENCODING:
                raise _unexpected_encoding()
            where = "cannot connect to the archive" if error in UNREACHED else "the connection to the archive broke"
            raise ArchiveUnavailable(where)
        return Answer(self._status, self._headers or {}, bytes(self._body))

    def is_late(self, limits: Limits) -> bool:
        """Whether this request has to end, because the archive sends nothing or too little."""
        if self._clock() - self.active_at > limits.read_timeout:
            return True
        received = self._received if self._is_expected else None
        return self._waiting.seconds - self._began > limits.time_for(received)

    def late_answer(self, limits: Limits) -> Answer | ArchiveUnavailable:
        """What a request that is late ends with: its answer, if only a body that nobody asked for is missing."""
        if self._headers is not None and not self._is_expected:
            return Answer(self._status, self._headers, bytes(self._body))
        if self._clock() - self.active_at > limits.read_timeout or self._headers is None:
            return ArchiveTimedOut(f"archive did not answer within {limits.read_timeout:g} s")
        return ArchiveUnavailable(f"the archive sends less than {limits.min_rate} bytes/s")

    @property
    def may_be_followed_by_a_body(self) -> bool:
        """Whether this answer has no body, but announces one: a server at fault may send it after all."""
        headers = self._headers or {}
        bodiless = self._request.method == "HEAD" or self._status in BODILESS
        return bodiless and (headers.get("content-length", "0") != "0" or "transfer-encoding" in headers)

    @property
    def _is_expected(self) -> bool:
        """Whether the body is what the request asks for."""
        return self._headers is not None and self._request.method == "GET" and self._status == OK

    def _begin_head(self, line: bytes) -> None:
        """The head of the final answer, or of an interim one before it."""
        self._head, self._headers = [], None
        status = line[8:].split()[:1]
        self._status = int(status[0]) if status and status[0].isdigit() else 0

    def _end_head(self) -> None:
        pairs = (line.decode("latin-1").partition(":") for line in self._head)
        self._headers = {name.lower(): value.strip() for name, _, value in pairs}
        self._began = self._waiting.seconds
        self._waiting.received += self._status < FAILED

    def _receive(self, block: memoryview) -> None:
        expected = self._is_expected
        if expected and not self._received:
            _check_encodings(self._headers or {})
        self._received += len(block)
        self._waiting.received += expected
        if expected and self._request.take:
            self._request.take(block)
            return
        limit = self._request.limit if expected else LARGEST_ERROR_BODY
        self._body += block[: limit - len(self._body)]
        if len(self._body) >= limit:
            raise EnoughReceived


def _check_encodings(headers: Mapping[str, str]) -> None:
    """Refuse an encoding that was not asked for: decoded, the body may grow without bound."""
    content = headers.get("content-encoding", "identity").lower()
    transfer = headers.get("transfer-encoding", "chunked").lower()
    if (content, transfer) != ("identity", "chunked"):
        raise _unexpected_encoding()


def _unexpected_encoding() -> ArchiveRefused:
    return ArchiveRefused("archive sent the file in an encoding that was not asked for")
