"""Who asks the archive: the service itself, by a token or a certificate; for whose cart, and for which request."""

from __future__ import annotations

import string
from dataclasses import dataclass, field
from urllib.parse import quote

import pycurl

from chalicelib.config.log_context import current_request, is_request_id

#: A value is one line of visible ASCII; the archive gets the rest, and the percent sign, percent-encoded.
VISIBLE = "".join(sorted(set(string.printable) - set(string.whitespace) - {"%"}))


@dataclass(frozen=True, slots=True)
class Identity:
    """`token`: bearer token. `certificate`, `key`: PEM files. `owner_header`: names the header with the owner."""

    token: str = field(default="", repr=False)
    certificate: str = ""
    key: str = ""
    owner_header: str = ""

    def headers(self) -> tuple[str, ...]:
        """The headers of each request."""
        return (f"Authorization: Bearer {self.token}",) if self.token else ()

    def headers_of(self, owner: str) -> tuple[str, ...]:
        """Those of the requests for this owner's carts; none for nobody's."""
        if not (self.owner_header and owner):
            return ()
        return (f"{self.owner_header}: {quote(owner, safe=VISIBLE)}",)

    def options(self) -> dict[int, object]:
        """Those of libcurl."""
        named = {pycurl.SSLCERT: self.certificate, pycurl.SSLKEY: self.key}
        return {option: path for option, path in named.items() if path}


NO_IDENTITY = Identity()


def request_header() -> tuple[str, ...]:
    """The id of the request that this thread works for, so that the archive's log can be searched for it, too."""
    request = current_request()
    return (f"X-Request-Id: {request}",) if is_request_id(request) else ()
