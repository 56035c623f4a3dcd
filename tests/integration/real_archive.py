"""Starts the real Pacifica Archive Interface for tests: its posix back end under gunicorn, one request per process.

The interpreter is ARCHIVE_PYTHON, or the one that runs the tests. If it lacks the package, the tests are skipped; with
CI=true they fail.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.programs import skip_or_fail

WSGI = "pacifica.archiveinterface.wsgi:application"
WORKERS = 4
START_TIMEOUT = 30.0
STOP_TIMEOUT = 5.0
CHERRYPY_CONFIG = """\
[global]
log.screen: False
[/]
request.dispatch: cherrypy.dispatch.MethodDispatcher()
"""


def archive_python() -> str:
    """The interpreter that has the archive interface; skips or fails the test if there is none."""
    python = os.environ.get("ARCHIVE_PYTHON") or sys.executable
    check = "import gunicorn, cherrypy, importlib.util as u; assert u.find_spec('pacifica.archiveinterface')"
    if subprocess.run([python, "-c", check], capture_output=True, check=False).returncode:
        skip_or_fail(f"{python} has no pacifica-archiveinterface and gunicorn: install them or set ARCHIVE_PYTHON")
    return python


@contextmanager
def real_archive(folder: Path, home: Path) -> Iterator[str]:
    """The URL of an archive interface that serves the files in `folder`; it keeps its own files in `home`."""
    python, port = archive_python(), _free_port()
    log = home / "archive.log"
    command = [python, "-m", "gunicorn", "-w", str(WORKERS), "-b", f"127.0.0.1:{port}", WSGI]
    with log.open("wb") as output:
        environment = _environment(folder, home)
        process = subprocess.Popen(command, env=environment, cwd=home, stdout=output, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}/"
        _wait_until_up(url, process, log)
        yield url
    finally:
        _stop(process)


def _environment(folder: Path, home: Path) -> Mapping[str, str]:
    (home / "empty.ini").touch()
    (home / "cherrypy.ini").write_text(CHERRYPY_CONFIG)
    return {
        **os.environ,
        "PAI_BACKEND_TYPE": "posix",
        "PAI_PREFIX": str(folder),
        "ARCHIVEINTERFACE_CONFIG": str(home / "empty.ini"),
        "ARCHIVEINTERFACE_CPCONFIG": str(home / "cherrypy.ini"),
        "HOME": str(home),  # where gunicorn puts its control socket
        "LC_ALL": "C.UTF-8",
    }


def _wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    pytest.fail(f"the archive interface did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
