"""Translates the variables of container links into those the settings read.

A link named `mysql` sets MYSQL_PORT=tcp://host:port and MYSQL_ENV_MYSQL_USER and so on; one named `archivei` sets
ARCHIVEI_PORT=tcp://host:port. Plain variables take precedence. See Docker's "Legacy container links".
"""

from __future__ import annotations

from collections.abc import Mapping

MYSQL_LINKED = ("MYSQL_DATABASE", "MYSQL_USER", "MYSQL_PASSWORD")


def resolve_links(environ: Mapping[str, str]) -> dict[str, str]:
    """A copy of `environ` with MYSQL_* and ARCHIVE_INTERFACE_URL filled in from its links."""
    resolved = dict(environ)
    _mysql_address(resolved)
    for name in MYSQL_LINKED:
        linked = environ.get(f"MYSQL_ENV_{name}", "")
        if linked and not resolved.get(name):
            resolved[name] = linked
    _archive_address(resolved)
    return resolved


def _mysql_address(resolved: dict[str, str]) -> None:
    address = resolved.get("MYSQL_PORT", "")
    if not address.startswith("tcp://"):
        return
    host, port = _host_and_port(address)
    resolved["MYSQL_PORT"] = port
    if not resolved.get("MYSQL_HOST"):
        resolved["MYSQL_HOST"] = host.strip("[]")


def _archive_address(resolved: dict[str, str]) -> None:
    address = resolved.get("ARCHIVEI_PORT", "")
    if address.startswith("tcp://") and not resolved.get("ARCHIVE_INTERFACE_URL"):
        host, port = _host_and_port(address)
        resolved["ARCHIVE_INTERFACE_URL"] = f"http://{host}:{port}/" if port else f"http://{host}/"


def _host_and_port(address: str) -> tuple[str, str]:
    netloc = address.removeprefix("tcp://").partition("/")[0]
    host, _, port = netloc.rpartition(":")
    return (host, port) if host and "]" not in port else (netloc, "")
