"""Which URLs a webhook may have, by what they say. Where their names lead is checked at each delivery. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from chalicelib.config.host_names import canonical_host

HTTPS, HTTP = 443, 80
FIRST_FREE_PORT = 1024  # those below belong to services that are no receivers of webhooks, such as mail or SSH
#: A last label that some resolvers read as a part of an IPv4 address: 0x7f.1, 2130706433, 127.1
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)")


@dataclass(frozen=True, slots=True)
class WebhookUrl:
    """`host`: its canonical name. `is_allowed`: whether NOTIFY_ALLOWED_HOSTS has it, so that it may be anywhere."""

    url: str
    host: str
    port: int
    is_allowed: bool


def webhook_url(url: str, allowed_hosts: Collection[str]) -> WebhookUrl:
    """Raises ValueError that says what is wrong. `allowed_hosts`: canonical names."""
    if "\\" in url:
        raise ValueError("must have no backslash")
    parts = urlsplit(url)  # raises for brackets that do not match
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("must be a https URL")
    if "@" in parts.netloc or "%" in parts.netloc:
        raise ValueError("must have no user name and no escapes before its path")
    if parts.fragment or url.endswith("#"):
        raise ValueError("must have no fragment")
    host = canonical_host(f"[{parts.hostname}]" if "[" in parts.netloc else parts.hostname)
    is_allowed = host in allowed_hosts
    if parts.scheme == "http" and not is_allowed:
        raise ValueError("must be a https URL")
    if not is_allowed:
        _check_name(host)
    return WebhookUrl(url, host, _port(parts.port, parts.scheme), is_allowed)


def _check_name(host: str) -> None:
    if ":" in host or _NUMERIC.fullmatch(host.rpartition(".")[2]):
        raise ValueError("must have a host name, not an address")
    if "." not in host:
        raise ValueError("must have a whole host name, with its domain")


def _port(given: int | None, scheme: str) -> int:
    if given is None:
        return HTTPS if scheme == "https" else HTTP
    if given < FIRST_FREE_PORT and given != HTTPS and (scheme, given) != ("http", HTTP):
        raise ValueError(f"must have port {HTTPS}, or one from {FIRST_FREE_PORT}")
    return given


def is_public(address: str) -> bool:
    """Whether an address belongs to the Internet: not to this machine, its network, or what a cloud has beside it."""
    try:
        ip = ipaddress.ip_address(address)  # one with a scope is of this network
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC)
    if ip in _NAT64:
        return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip in _GLOBAL and ip.scope_id is None and not any(ip in network for network in _NOT_GLOBAL)


#: IANA's special-purpose addresses, multicast, and Azure's own services (168.63.129.16), which look public.
_SPECIAL = (
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 "
    "192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 "
    "198.51.100.0/24 203.0.113.0/24 224.0.0.0/3"
)
_NOT_PUBLIC = tuple(map(ipaddress.IPv4Network, _SPECIAL.split()))
#: Of IPv6 only global unicast counts, without protocol assignments (Teredo is one), documentation and 6to4. So mapped,
#: unique local (fd00:ec2::254), link-local and multicast addresses are out.
_GLOBAL = ipaddress.IPv6Network("2000::/3")
_NOT_GLOBAL = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # the IPv4 address at its end is what is reached
