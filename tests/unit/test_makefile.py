"""The Makefile: which Python it installs with, and that it installs only what has changed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
#: Makes an environment at once; its `python` records pip's arguments.
FAKE = """#!/bin/sh
if [ "$2" = venv ]; then
    mkdir -p "$3/bin"
    printf '#!/bin/sh\\necho "$@" >>"{log}"\\n' >"$3/bin/python"
    chmod 755 "$3/bin/python"
else
    exec "{python}" "$@"
fi
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the Makefile reads, and a Python that installs nothing."""
    for name in ("Makefile", "pyproject.toml", "infra/local/install.sh"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "locks", tmp_path / "locks")
    fake = tmp_path / "fake-python"
    fake.write_text(FAKE.format(log=tmp_path / "pip.txt", python=sys.executable))
    fake.chmod(0o755)
    return tmp_path


def make(checkout: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "MAKEFLAGS", "MAKELEVEL")}
    return subprocess.run(
        ["make", *arguments], cwd=checkout, env=inherited | environ, capture_output=True, text=True, check=False
    )


def installed(checkout: Path) -> list[str]:
    """What pip was asked to install, since the last time."""
    log = checkout / "pip.txt"
    lines = log.read_text().splitlines() if log.exists() else []
    log.write_text("")
    return [line.partition(" install ")[2] for line in lines if " install " in line]


@pytest.mark.parametrize("how", ["environment", "command line"])
def test_the_python_that_is_named_is_used(checkout: Path, how: str) -> None:
    arguments, environ = (["PYTHON=/no/python"], {}) if how == "command line" else ([], {"PYTHON": "/no/python"})
    done = make(checkout, ".venv/.run", *arguments, **environ)
    assert done.returncode == 2
    assert "make: PYTHON=/no/python: there is no such program" in done.stderr
    assert make(checkout, ".venv/.run", PYTHON=str(checkout / "fake-python")).returncode == 0
    assert (checkout / ".venv" / ".made").read_text().startswith(".".join(map(str, sys.version_info[:3])))


def test_everything_is_installed_from_locks_with_hashes(checkout: Path) -> None:
    targets = (".venv/.dev", ".venv/.archive", ".venv/.compose", ".venv/.lock")
    assert make(checkout, *targets, PYTHON=str(checkout / "fake-python")).returncode == 0
    asked = installed(checkout)
    product = "--no-index --no-deps --no-build-isolation -e ."
    assert product in asked
    assert all(line.startswith("--require-hashes -r locks/") for line in asked if line != product)
    assert {re.findall(r"locks/(\w+)", line)[0] for line in asked if line != product} == {
        *("run", "store", "dev", "archive", "compose", "lock")
    }


def test_only_what_has_changed_is_installed_again(checkout: Path) -> None:
    python = str(checkout / "fake-python")
    make(checkout, ".venv/.dev", ".venv/.archive", PYTHON=python)
    installed(checkout)
    for again in ({}, {"PYTHON": python}):
        assert make(checkout, ".venv/.dev", ".venv/.archive", **again).stderr == ""
        assert installed(checkout) == []
    later = (checkout / ".venv" / ".archive").stat().st_mtime + 10
    os.utime(checkout / "locks" / "archive.lock", (later, later))
    make(checkout, ".venv/.dev", ".venv/.archive")
    assert installed(checkout) == ["--require-hashes -r locks/archive.lock"]


def test_every_target_that_people_call_has_a_line_of_help(checkout: Path) -> None:
    phony = set(re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)) - {"always"}
    listed = {line.split()[1] for line in make(checkout, "help").stdout.splitlines()}
    assert listed == phony
