"""Host names and origins, each in the one spelling by which they are compared. Pure."""

from __future__ import annotations

import functools
import ipaddress
import re

_NAME = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?")
_ORIGIN = re.compile(r"(https?)://([^/?#@\s]+?)(?::([0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def canonical_host(text: str) -> str:
    """A name in lower case without the dot at its end, or an address as it is written shortest, IPv6 without brackets.

    Raises ValueError.
    """
    if text.startswith("[") or ":" in text:
        return ipaddress.IPv6Address(text.removeprefix("[").removesuffix("]")).compressed
    name = text.lower().removesuffix(".")
    if not _NAME.fullmatch(name) or ".." in name or len(name) > 253:
        raise ValueError("must be a host's name or address, without a port")
    return name


def canonical_origin(text: str) -> str:
    """A web page's origin, such as https://portal.example.org, without its scheme's own port. Raises ValueError."""
    match = _ORIGIN.fullmatch(text.strip().lower())
    if not match:
        raise ValueError("must be an origin such as https://portal.example.org")
    scheme, host, port = match.groups()
    host = canonical_host(host)
    address = f"[{host}]" if ":" in host else host
    return f"{scheme}://{address}" + (f":{int(port)}" if port and port != _DEFAULT_PORTS[scheme] else "")


@functools.lru_cache(256)  # asked at each request, mostly about the same addresses
def is_loopback(host: str) -> bool:
    """Whether a name or an address means this machine itself, however the network is set up."""
    try:
        name = canonical_host(host)
        address = ipaddress.ip_address(name)
    except ValueError:
        return host.lower().removesuffix(".").split(".")[-1] == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
