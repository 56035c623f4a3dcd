"""The README's lines, pasted into a shell as they are printed: each twice, in two shells."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.local_system import ROOT, LocalSystem
from tests.programs import need

BLOCK = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Lines of these run only where they are installed; the README calls them alternatives.
ALTERNATIVES = ("wget ", "aria2c ")


def pasted(system: LocalSystem, folder: Path) -> list[str]:
    """The README's commands for a cart, for this system: a here document is one command, otherwise a line is one."""
    found: list[str] = []
    for block in BLOCK.findall((ROOT / "README.md").read_text()):
        block = block.replace("127.0.0.1:8081", f"127.0.0.1:{system.port}").replace("/tmp/", f"{folder}/")
        found += [block] if "<<'EOF'" in block else block.splitlines()
    return [command for command in found if re.search(r"MY_CART_UUID|foo\.json", command) and is_installed(command)]


def is_installed(command: str) -> bool:
    return not command.startswith(ALTERNATIVES) or bool(shutil.which(command.split()[0]))


def again(command: str) -> str:
    """The store answers 416 to a request for what comes after a whole file; curl 7.88 ends with 22 then."""
    return f"{command} || [ $? = 22 ]" if " -C - " in command else command


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_every_line_can_be_pasted_twice(system: LocalSystem, tmp_path: Path, shell: str) -> None:
    need(shell, "curl", "tar")
    commands = pasted(system, tmp_path)
    assert len(commands) >= 8
    script = "\n".join(f"{command}\n{again(command)}\n" for command in commands)
    done = subprocess.run([shell, "-eu", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    (tar,) = tmp_path.glob("*.tar")
    assert (tmp_path / tar.stem / "1/2/3/foo.txt").read_bytes() == (system.archive / "foo.txt").read_bytes()
    assert "Cart Deleted Successfully" in done.stdout
    assert "The cart does not exist or has already been deleted" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("program", ["curl", "wget", "aria2c"])
def test_an_unfinished_file_is_resumed(system: LocalSystem, tmp_path: Path, program: str) -> None:
    need(program, "curl", "tar")
    commands = pasted(system, tmp_path)
    (save,) = [command for command in commands if re.match(rf"{program} (-fL -C|-c) ", command)]
    before = commands[: next(n for n, command in enumerate(commands) if command.startswith("curl -fL -C -"))]
    cut = 'head -c 3000 "$MY_CART_UUID.tar" > cut; cp "$MY_CART_UUID.tar" whole; mv cut "$MY_CART_UUID.tar"'
    script = "\n".join([*before, save, cut, save, 'cmp whole "$MY_CART_UUID.tar"'])
    done = subprocess.run(["sh", "-eu", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
