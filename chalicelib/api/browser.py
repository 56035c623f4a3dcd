"""What web pages may do with the service, and the headers by which browsers keep them to it. Pure.

A browser sends the requests of any page to any address that it reaches, even to a laptop's loopback address. It names
the page's origin and the host that the page asked for; both are checked here. Other clients are not affected.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.config.host_names import canonical_host, canonical_origin, is_loopback
from chalicelib.config.settings import Settings
from chalicelib.errors import BadRequest, CartError, NotAllowed

Headers = Mapping[str, str]

SAFE = ("GET", "HEAD", "OPTIONS")
OWN_SITES = ("same-origin", "none")  # of Sec-Fetch-Site; none: the user typed the address
LONGEST_HOST = 300  # a name has at most 253 characters
DEFAULT_PORTS = {"http": "80", "https": "443"}
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{0,5}))?")

#: On every answer. No answer is a page that loads anything, is shown within another page, or may be kept by a cache.
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
EXPOSED = (
    "Location, Retry-After, WWW-Authenticate, X-Pacifica-Status, X-Pacifica-Message, X-Pacifica-Progress, "
    "X-Pacifica-Bundle-Size, X-Pacifica-Bundle-Etag, X-Pacifica-Bundle-Checksum, X-Request-Id"
)
SENDABLE = "Accept, Authorization, Content-Encoding, Content-Type"
PREFLIGHT_LIFE = "600"  # seconds


class MisdirectedRequest(CartError):
    """The Host header does not name this service: ALLOWED_HOSTS lists its names; without it, on a loopback address,
    only loopback names are known."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The parts of a request that are checked. `headers` has lower-case names. `server`: the address it listens on."""

    method: str
    headers: Headers
    server: str = ""
    client: str = ""


@dataclass(frozen=True, slots=True)
class BrowserRules:
    """`origins` may call the API from their pages; `hosts` are the service's names, if any are given."""

    origins: Sequence[str] = ()
    hosts: Sequence[str] = ()

    def check(self, asked: Asked) -> None:
        """Raises BadRequest or MisdirectedRequest for a wrong Host, NotAllowed for a foreign page's request."""
        self._check_host(asked)
        if asked.method not in SAFE and not self._is_own(asked):
            raise NotAllowed("A web page of another origin may not do this: ALLOWED_ORIGINS does not name its origin.")

    def headers(self, asked: Asked, answered: Headers) -> dict[str, str]:
        """The headers of an answer, those that browsers look for included."""
        own = {name.lower() for name in answered}
        whole = {name: value for name, value in SECURITY_HEADERS.items() if name.lower() not in own} | dict(answered)
        if not self.origins:
            return whole
        whole["Vary"] = ", ".join([*filter(None, [whole.get("Vary")]), "Origin"])
        if not self._is_allowed(asked.headers.get("origin")):
            return whole
        whole |= {"Access-Control-Allow-Origin": asked.headers["origin"], "Access-Control-Expose-Headers": EXPOSED}
        if asked.method == "OPTIONS" and "access-control-request-method" in asked.headers:
            whole |= {
                "Access-Control-Allow-Methods": whole.get("Allow", ""),
                "Access-Control-Allow-Headers": SENDABLE,
                "Access-Control-Max-Age": PREFLIGHT_LIFE,
            }
        return whole

    def _check_host(self, asked: Asked) -> None:
        if not self.hosts and not is_loopback(asked.server):
            return
        name, _ = _authority(asked.headers.get("host", ""))
        if not name:
            raise BadRequest("The Host header is missing or not the name of a host.")
        if name in self.hosts:
            return
        # This machine's own clients, such as health checks, may always use its own names.
        if not is_loopback(name) or (self.hosts and not is_loopback(asked.client)):
            raise MisdirectedRequest

    def _is_own(self, asked: Asked) -> bool:
        """Whether no page sent this, or one that may."""
        origin = asked.headers.get("origin")
        if self._is_allowed(origin):
            return True
        if asked.headers.get("sec-fetch-site", "none").strip().lower() not in OWN_SITES:
            return False
        return origin is None or _is_at(origin, asked.headers.get("host", ""))

    def _is_allowed(self, origin: str | None) -> bool:
        return origin is not None and _origin(origin) in self.origins


ONLY_OWN_PAGES = BrowserRules()


def browser_rules(settings: Settings) -> BrowserRules:
    return BrowserRules(settings.allowed_origins, settings.allowed_hosts)


def asked_by(event: Any) -> Asked:
    """The request of an event, even of a malformed one."""
    context, headers = _object(event, "requestContext"), _object(event, "headers")
    sent = {str(name).lower(): value for name, value in headers.items() if isinstance(value, str)}
    client = _object(context, "identity").get("sourceIp")
    return Asked(str(context.get("httpMethod") or ""), sent, _server(context), str(client or ""))


def _object(event: Any, name: str) -> Mapping[str, Any]:
    found = event.get(name) if isinstance(event, dict) else None
    return found if isinstance(found, dict) else {}


def _server(context: Mapping[str, Any]) -> str:
    """The address that the server listens on. `chalice local` does not say, but is made for the loopback address."""
    if "stage" in context:  # API Gateway
        return ""
    return str(context.get("server", "127.0.0.1"))


def _authority(host: str) -> tuple[str, str]:
    """Name and port of a Host header, the port as it is written; both empty if it is not well-formed."""
    return _parsed(host) if len(host) <= LONGEST_HOST else ("", "")


@functools.lru_cache(256)
def _parsed(host: str) -> tuple[str, str]:
    match = _HOST.fullmatch(host.strip())
    if not match:
        return "", ""
    try:
        return canonical_host(match[1]), match[2] or ""
    except ValueError:
        return "", ""


def _origin(text: str) -> str:
    try:
        return canonical_origin(text)
    except ValueError:
        return ""


def _is_at(origin: str, host: str) -> bool:
    """Whether the origin is the service itself. A proxy may have ended TLS, so the scheme is not compared."""
    scheme, _, authority = _origin(origin).partition("://")
    name, port = _authority(authority)
    wanted, wanted_port = _authority(host)
    default = DEFAULT_PORTS.get(scheme, "")
    return bool(name) and (name, port or default) == (wanted, wanted_port or default)
