"""A libcurl handle, which is reused for one request after another. Redirects are not followed."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

import pycurl

from workers.archive.identity import Identity
from workers.archive.idle_connections import IdleConnections
from workers.archive.incoming import IncomingAnswer
from workers.archive.limits import Limits, Waiting
from workers.archive.messages import Method, Request

RECEIVE_BUFFER = 256 << 10  # bytes
#: A network device may silently drop a connection that is idle for longer: a request on it would cost a timeout.
IDLE_LIFE = 20  # seconds


class CurlHandle:
    """`incoming`: the answer to its request. `found_dirty`: nothing was sent, because the connection was not clean."""

    def __init__(
        self,
        url: str,
        limits: Limits,
        clock: Callable[[], float],
        waiting: Waiting,
        idle: IdleConnections,
        identity: Identity,
    ) -> None:
        address = urlsplit(url)
        self._origin = f"{address.scheme}://{address.netloc}"
        self._clock = clock
        self._waiting = waiting
        self._idle = idle
        self._request = Request("HEAD", "")
        self._on_new_connection = False
        self._common = [*_HEADERS, *identity.headers()]
        self._headers: list[str] | None = None
        self.found_dirty = False
        self.incoming = IncomingAnswer(self._request, clock, waiting)
        self.began_at = self.incoming.active_at
        self.curl = pycurl.Curl()
        for option, value in (_OPTIONS | _trust() | identity.options()).items():
            self.curl.setopt(option, value)
        self.curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(limits.connect_timeout * 1000))
        self.curl.setopt(pycurl.PREREQFUNCTION, self._before_sending)

    @property
    def method(self) -> Method:
        return self._request.method

    def begin(self, request: Request) -> None:
        self._begin(request, on_new_connection=request.fresh)

    def begin_again(self) -> None:
        """Begin the same request on a new connection."""
        self._begin(self._request, on_new_connection=True)

    def keep_connection(self) -> None:
        """Note the connection, which is idle now that the answer is complete."""
        descriptor = self.curl.getinfo(pycurl.ACTIVESOCKET)
        if isinstance(descriptor, int) and descriptor >= 0:
            port = self.curl.getinfo(pycurl.LOCAL_PORT)
            self._idle.keep(port, descriptor, trusted=not self.incoming.may_be_followed_by_a_body)

    def close(self) -> None:
        self.curl.close()

    def _begin(self, request: Request, on_new_connection: bool) -> None:
        self._request, self.found_dirty = request, False
        self.incoming = IncomingAnswer(request, self._clock, self._waiting)
        self.began_at = self.incoming.active_at
        self.curl.setopt(pycurl.HEADERFUNCTION, self.incoming.take_header)
        self.curl.setopt(pycurl.WRITEFUNCTION, self.incoming.take_body, use_memoryview=True)
        self.curl.setopt(pycurl.URL, self._origin + request.target)
        for option, value in _METHODS[request.method]:
            self.curl.setopt(option, value)
        if on_new_connection != self._on_new_connection:
            self._on_new_connection = on_new_connection
            self.curl.setopt(pycurl.FRESH_CONNECT, int(on_new_connection))
        # The archive closes it: the port of a connection that we close is not free again for a minute.
        headers = [*self._common, *request.headers, *(("Connection: close",) if request.fresh else ())]
        if headers != self._headers:
            self._headers = headers
            self.curl.setopt(pycurl.HTTPHEADER, headers)

    def _before_sending(self, ip: str, local_ip: str, port: int, local_port: int) -> int:
        self.found_dirty = not (self._on_new_connection or self._idle.take(local_port))
        return pycurl.PREREQFUNC_ABORT if self.found_dirty else pycurl.PREREQFUNC_OK


def _trust() -> dict[int, object]:
    """The paths of the system's certificate authorities, which libcurl's wheel does not know."""
    paths = ssl.get_default_verify_paths()
    found: dict[int, object] = {pycurl.CAINFO: paths.cafile, pycurl.CAPATH: paths.capath}
    return {option: path for option, path in found.items() if path}


_HEADERS = ["Accept-Encoding: identity", "Accept:", "Content-Type:", "Expect:"]
_OPTIONS: dict[int, object] = {
    pycurl.NOSIGNAL: 1,
    pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
    pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
    pycurl.PROXY: "",  # ignore the proxies of the environment
    pycurl.PATH_AS_IS: 1,
    pycurl.MAXAGE_CONN: IDLE_LIFE,
    pycurl.BUFFERSIZE: RECEIVE_BUFFER,
    pycurl.USERAGENT: "pacifica-data-cart",
}
_METHODS: dict[str, tuple[tuple[int, object], ...]] = {
    "HEAD": ((pycurl.NOBODY, 1),),
    "GET": ((pycurl.HTTPGET, 1),),
    "POST": ((pycurl.POST, 1), (pycurl.POSTFIELDS, b"")),
}
