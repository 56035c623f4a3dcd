"""Questions put to the processes of a local system: who answers, who listens, who was left over."""

from __future__ import annotations

import http.client
from pathlib import Path

import psutil

from infra.local.ports import LOOPBACK

#: In the environment of every process a supervisor starts, grandchildren included: the home it belongs to.
MARK = "CART_SUPERVISOR_HOME"
UP = b"Pacifica Cartd Interface Up and Running"


def answers(port: int, path: str = "/", timeout: float = 2.0) -> tuple[int, bytes] | None:
    """Status and body of a GET, None when nobody answers. No proxy is asked."""
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
    answer = answers(port)
    return answer is not None and answer[0] == 200 and UP in answer[1]


def listener(port: int) -> str:
    """Who listens at the port, as far as we may know."""
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
        pass  # not ours to see
    return "another process"


def end_leftovers(home: Path, *, patience: float = 8.0) -> int:
    """End every process that bears the home's mark; how many there were. Only for who holds the home's lock."""
    left = [process for process in psutil.process_iter() if _marked(process, home)]
    for process in left:
        _quietly(process, "terminate")
    _, stubborn = psutil.wait_procs(left, timeout=patience)
    for process in stubborn:
        _quietly(process, "kill")
    psutil.wait_procs(stubborn, timeout=1)
    return len(left)


def _marked(process: psutil.Process, home: Path) -> bool:
    try:
        return process.environ().get(MARK) == str(home) and process.pid != psutil.Process().pid
    except (psutil.Error, OSError):
        return False  # another user's, or just gone


def _quietly(process: psutil.Process, action: str) -> None:
    try:
        getattr(process, action)()
    except psutil.NoSuchProcess:
        pass
