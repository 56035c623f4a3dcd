"""At the most talkative log level and with the server's access log, nothing that gives access is in a log, in an error
or in a command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.e2e.cart_client import SEED
from tests.e2e.local_system import LocalSystem, command_line, eventually
from tests.e2e.login import make_login

SHARE = "S" * 22
WRONG = "cart_" + "w" * 43
JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJodXNoIn0.aHVzaGh1c2g"
GIVEN = {"ARCHIVE_TOKEN": "archive-hush-token", "POLICY_TOKEN": "policy-hush-token"}
TALKATIVE = {"LOG_LEVEL": "DEBUG", "DATABASE_LOGGING": "1", "GRANIAN_LOG_ACCESS_ENABLED": "true"}


@dataclass(frozen=True)
class Used:
    """A system that has been used, its secrets by name, and what its processes were started with."""

    system: LocalSystem
    secrets: dict[str, str]
    command_lines: list[str]


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Used]:
    folder = tmp_path_factory.mktemp("secrets")
    files = {}
    for name, secret in GIVEN.items():
        (folder / name).write_text(f"{secret}\n")
        files[f"{name}_FILE"] = str(folder / name)
    system = LocalSystem(folder / "home", AUTH="token", **TALKATIVE, **files).start()
    try:
        secrets = use(system)
        yield Used(system, secrets | GIVEN, [command_line(process) for process in system.processes()])
    finally:
        system.stop()


def use(system: LocalSystem) -> dict[str, str]:
    """Make, download and delete a cart, with right and wrong logins; returns what must not be logged."""
    login, cart = make_login(system), f"{system.url}mycart"
    with requests.Session() as session:
        session.auth = login.basic
        assert session.post(cart, json={"fileids": SEED}, timeout=30).status_code == 201
        upload = session.post(f"{cart}/manifest", timeout=30).json()
        requests.put(upload["url"], data=json.dumps({"fileids": SEED}), timeout=30)
        assert eventually(lambda: session.head(cart, timeout=30).status_code == 204, within=40)
        found = session.get(cart, allow_redirects=False, timeout=30)
        assert session.get(cart, timeout=30).status_code == 200
        session.delete(cart, timeout=30)
    for wrong in (WRONG, JWT, f"{JWT}x"):
        requests.get(cart, headers={"Authorization": f"Bearer {wrong}"}, timeout=30)
    requests.get(f"{system.url}-/shared/{SHARE}", timeout=30)
    requests.get(f"{system.url}-/shared/{SHARE}/files?{urlsplit(found.headers['Location']).query}", timeout=30)
    signed = {name: values[0] for name, values in parse_qs(urlsplit(found.headers["Location"]).query).items()}
    keys = json.loads((system.home / "keys.json").read_text())
    return {
        "the store's secret key": keys["secret"],
        "the credential of a URL": signed["X-Amz-Credential"],
        "the signature of a URL": signed["X-Amz-Signature"],
        "the signature of an upload's URL": parse_qs(urlsplit(upload["url"]).query)["X-Amz-Signature"][0],
        "a token": login.token,
        "a wrong token": WRONG,
        "a JWT": JWT,
        "a share": SHARE,
    }


def test_no_log_has_a_secret(used: Used) -> None:
    logs = {path.name: path.read_text(errors="replace") for path in (used.system.home / "log").iterdir()}
    logs["the terminal"] = used.system.output()
    assert " DEBUG " in logs["api.log"], "the level is in effect"
    assert "GET /-/shared/*** HTTP" in logs["api.log"].replace("/files", ""), "the access log is on"
    assert {"worker-1.log", "sweeper.log", "store.log", "queue.log", "archive.log"} <= set(logs)
    leaks = [(log, what) for log, text in logs.items() for what, secret in used.secrets.items() if secret in text]
    assert leaks == []


def test_no_command_line_has_a_secret(used: Used) -> None:
    assert len(used.command_lines) > 8
    shown = [(line, what) for line in used.command_lines for what, secret in used.secrets.items() if secret in line]
    assert shown == []


def test_a_bad_secret_file_stops_the_start_and_is_not_shown(used: Used, tmp_path: Path) -> None:
    (tmp_path / "two-lines").write_text("hush-one\nhush-two\n")
    run = LocalSystem(tmp_path / "home", ARCHIVE_TOKEN_FILE=str(tmp_path / "two-lines"))
    process = run.launch("run", tmp_path / "out.txt")
    assert process.wait(30) == 1
    shown = (tmp_path / "out.txt").read_text()
    assert "ARCHIVE_TOKEN_FILE: must be a file of one line" in shown
    assert "hush" not in shown
