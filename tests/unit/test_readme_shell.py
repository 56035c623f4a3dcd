"""The README's uid line and wait loop in a bare shell: with few programs, and against odd answers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from infra.local.banner import banner
from tests.programs import need

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
(UID_LINE,) = re.findall(r"^MY_CART_UUID=.+$", README, re.MULTILINE)
(LOOP,) = re.findall(r"^while .+$", README, re.MULTILINE)
INTERPRETER = os.path.realpath(sys.executable)  # python3 on the PATH may be a script that needs other programs
KERNEL = "/proc/sys/kernel/random/uuid"


def shell(script: str, folder: Path, programs: list[str], shell: str = "sh") -> subprocess.CompletedProcess[str]:
    """Run a script that finds only these programs."""
    for program in programs:
        need(program)
        (folder / program).symlink_to(INTERPRETER if program == "python3" else str(shutil.which(program)))
    command = [shutil.which(shell) or "sh", "-c", script]
    return subprocess.run(command, env={"PATH": str(folder)}, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("programs", [["cat"], ["uuidgen"], ["python3"]], ids=str)
def test_any_one_source_of_a_uid_is_enough(tmp_path: Path, programs: list[str]) -> None:
    line = UID_LINE if programs == ["cat"] and Path(KERNEL).exists() else UID_LINE.replace(KERNEL, "/none")
    uid = shell(f'{line}\necho "$MY_CART_UUID"', tmp_path, programs).stdout.strip()
    assert str(uuid.UUID(uid)) == uid.lower()


def test_without_a_uid_nothing_is_posted(tmp_path: Path) -> None:
    (post,) = re.findall(r"^curl -X POST .+$", README, re.MULTILINE)
    (tmp_path / "curl").write_text("#!/bin/sh\necho posted\n")
    (tmp_path / "curl").chmod(0o755)
    done = shell(post, tmp_path, [])
    assert (done.returncode != 0, done.stdout) == (True, "")
    assert "MY_CART_UUID" in done.stderr


class Answers(BaseHTTPRequestHandler):
    """Answers with the codes of the list, the last one again and again."""

    codes: list[int]
    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        self.send_response(self.codes.pop(0) if len(self.codes) > 1 else self.codes[0])
        self.send_header("Location", "http://127.0.0.1:9/never-followed")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    Answers.seen = []
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("codes", [[302], [202, 202, 302], [202, 409], [404], [500], [503]], ids=str)
def test_the_loop_ends_with_the_first_answer_that_is_not_202(tmp_path: Path, port: int, codes: list[int]) -> None:
    need("curl")
    Answers.codes, asked = list(codes), len(codes)
    script = f"MY_CART_UUID=c; {LOOP.replace('8081', str(port)).replace('sleep 1', 'true')}"
    assert shell(script, tmp_path, ["curl"]).returncode == 0
    assert Answers.seen == ["/c?wait=20"] * asked


def test_the_loop_ends_without_a_server_and_without_curl(tmp_path: Path) -> None:
    script = f"MY_CART_UUID=c; {LOOP.replace('8081', '9')}"
    assert shell(script, tmp_path, []).returncode == 0
    need("curl")
    assert shell(script, tmp_path, ["curl"]).returncode == 0


def test_the_running_system_prints_the_readmes_lines() -> None:
    printed = banner("http://127.0.0.1:8081/", Path("log")).splitlines()
    for start in ("MY_CART_UUID=", "curl -X POST", "while ", "curl -fL -C -", "curl -X DELETE"):
        (line,) = [line for line in printed if line.startswith(start)]
        assert line in README.splitlines()


def test_a_system_with_logins_prints_lines_that_log_in_and_show_no_token() -> None:
    made = banner("http://127.0.0.1:8081/", Path("log"), "oidc,token", "/a b/cart.db")
    assert "SQLITE_PATH='/a b/cart.db' " in made
    assert "pacifica-cartd-cmd tokens add --owner " in made
    given = banner("http://127.0.0.1:8081/", Path("log"), "oidc")
    assert "${CART_TOKEN:?}" in given
    for printed in (made, given):
        calls = [line for line in printed.splitlines() if "curl" in line]
        assert len(calls) == 4
        assert all("curl -H @cart-login " in line for line in calls)
