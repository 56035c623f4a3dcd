"""Probes of local TCP ports: what answers there, and which process listens."""

from __future__ import annotations

import http.client

import psutil

from infra.local.ports import LOOPBACK

UP = b"Pacifica Cartd Interface Up and Running"


def http_get(port: int, path: str = "/", timeout: float = 2.0) -> tuple[int, bytes] | None:
    """Status and body of a GET; None when there is no response. Proxy settings are ignored."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def is_cart_service(port: int) -> bool:
    response = http_get(port)
    return response is not None and response[0] == 200 and UP in response[1]


def describe_listener(port: int) -> str:
    """The process that listens on the port, as far as this user may see it."""
    try:
        for connection in psutil.net_connections("tcp"):
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr
                and connection.laddr.port == port
                and connection.pid
            ):
                return f"process {connection.pid} ({' '.join(psutil.Process(connection.pid).cmdline())[:100]})"
    except psutil.Error:
        pass  # it belongs to another user
    return "another process"
