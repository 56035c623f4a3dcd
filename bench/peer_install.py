"""Installs the peer: finds Python 3.8 and Redis and makes its virtual environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.processes import BenchFailed

REQUIREMENTS = Path(__file__).with_name("peer-requirements.txt")
LOCK = Path(__file__).with_name("peer-requirements.lock")
IS_3_8 = "import sys; sys.exit(sys.version_info[:2] != (3, 8))"


def environment(folder: Path, log: Path) -> Path:
    """The `bin` folder of the peer's virtual environment, which is created if missing. Raises BenchFailed."""
    missing = [] if shutil.which("redis-server") else ["redis-server (Debian and Ubuntu: apt-get install redis-server)"]
    python = python38()
    if python is None:
        missing.append("Python 3.8 (as python3.8, from pyenv, or named by PEER_PYTHON)")
    if python is None or missing:
        raise BenchFailed(f"missing: {' and '.join(missing)}")
    done = folder / "installed"
    if not done.exists() or done.read_text() != LOCK.read_text():
        _install(python, folder, log)
        done.write_text(LOCK.read_text())
    return folder / "bin"


def python38() -> str | None:
    """A Python 3.8 that starts; pyenv puts a `python3.8` shim on the PATH even when no 3.8 is installed."""
    for candidate in _candidates():
        try:
            if subprocess.run([candidate, "-c", IS_3_8], capture_output=True, check=False).returncode == 0:
                return candidate
        except OSError:
            continue
    return None


def _candidates() -> Iterator[str]:
    if os.environ.get("PEER_PYTHON"):
        yield os.environ["PEER_PYTHON"]
    yield "python3.8"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted(pyenv.glob("versions/3.8*/bin/python"), reverse=True))


def _install(python: str, folder: Path, log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install"]
        for command in (
            [python, "-m", "venv", "--clear", str(folder)],
            [*pip, "-c", str(LOCK), "-r", str(REQUIREMENTS)],
        ):
            if subprocess.run(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, check=False).returncode:
                raise BenchFailed(f"the peer's installation failed, see {log}")
