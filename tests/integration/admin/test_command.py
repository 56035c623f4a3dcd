"""The frame of all commands: help, exit codes, JSON on stdout, messages on stderr, and never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from chalicelib.admin.command import commands, main
from chalicelib.db import schema
from chalicelib.db.database import Database
from tests.integration.admin.carts import add_ready_cart
from tests.integration.admin.conftest import Run
from tests.integration.posting import Posting

ROOT = Path(__file__).parents[3]


def every(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Each command that does something, and its words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from every(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(every(commands))
WITH_ARGUMENTS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("tokens", "add"): ("--owner", "ann"),
    ("tokens", "revoke"): ("1",),
    ("show",): ("one",),
    ("tail",): ("one",),
    ("fixit",): ("uid",),
    ("retry",): ("uid",),
    ("fail",): ("uid", "--why", "broken", "--yes"),
    ("delete",): ("uid", "--yes"),
    ("release",): ("1",),
    ("purge",): ("--time-ago", "60 days ago", "--yes"),
    ("cache", "evict"): ("--all-unused", "--yes", "--no-wait"),
    ("pause",): ("pulling", "--why", "tape robot", "--yes"),
    ("resume",): ("pulling",),
    ("reconcile",): ("--dry-run",),
    ("dbusers",): ("--secret", "api", "arn:aws:secretsmanager:us-east-1:123456789012:secret:a"),
}
LINES = {("audit", "export"), ("dump",)}  # JSON already
#: They need a queue, or say what is wrong instead of failing: test_status.py, test_doctor.py.
OF_A_SITE = {("status",), ("doctor",)}
#: They need a queue or a store: test_repairing.py runs them.
OF_AWS = {("queue", "redrive"), ("sweep",), ("reconcile",)}
#: Statements for MySQL, which ask no database; users of MySQL, which test_least_rights.py makes.
OF_MYSQL = {("dbgrants",), ("dbusers",)}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_explains_every_command_and_option(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    assert "Usage: pacifica-cartd-cmd" in capsys.readouterr().out
    command = COMMANDS[words]
    assert command.help
    assert all(option.help for option in command.params if isinstance(option, click.Option))


@pytest.mark.parametrize("arguments", [(), ("--help",), ("tokens", "--help")])
def test_help_needs_neither_settings_nor_a_database(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SQLITE_PATH", "relative")
    assert main(arguments) == (0 if arguments else 2)
    output = capsys.readouterr()
    assert "Commands:" in output.out + output.err


@pytest.mark.parametrize("words", sorted(COMMANDS.keys() - OF_MYSQL - OF_A_SITE - OF_AWS), ids=" ".join)
def test_every_command_prints_json_alone_on_stdout(
    run: Run, database: Database, words: tuple[str, ...], aws_variables: None
) -> None:
    run("tokens", "add", "--owner", "ann")
    Posting(database).post("uid", 1)
    add_ready_cart(database, "one")
    done = run(*words, *WITH_ARGUMENTS.get(words, ()), *(() if words in LINES else ("--json",)))
    assert done.code == 0
    for line in done.out.splitlines():
        json.loads(line)
    assert done.err.startswith("using ")


@pytest.mark.parametrize("words", sorted(COMMANDS.keys() - {("dbgrants",), ("doctor",)}), ids=" ".join)
def test_a_database_that_does_not_answer_is_a_line(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": "1", "DATABASE_CONNECT_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    assert main([*words, *WITH_ARGUMENTS.get(words, ())]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert "pacifica-cartd-cmd: The database cannot be reached." in output.err
    assert "Traceback" not in output.err


@pytest.mark.parametrize("words", sorted(COMMANDS.keys() - {("doctor",)}), ids=" ".join)
def test_bad_settings_are_named(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SQLITE_PATH", "relative")
    assert main([*words, *WITH_ARGUMENTS.get(words, ())]) == 1
    assert "SQLITE_PATH" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("nonsense",), ("dbchk", "--nonsense"), ("dbchk", "more"), ("audit",)])
def test_wrong_usage_is_2(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "Usage: pacifica-cartd-cmd" in done.err


def test_an_unexpected_error_is_a_line_and_a_traceback_only_if_asked_for(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(schema, "check", fail)
    done = run("dbchk")
    assert (done.code, "ZeroDivisionError: by nothing" in done.err, "Traceback" in done.err) == (1, True, False)
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    run("dbchk")
    assert "Traceback" in caplog.text


def test_the_tables_commands_in_json(run: Run, database: Database) -> None:
    newest = max(schema.available())
    assert run("dbsync", "--json").json == {"applied": [], "version": newest}
    assert run("dbchk", "--json").json == {"version": newest}


def test_a_reader_that_stops_reading_is_no_traceback(run: Run, database_variables: dict[str, str]) -> None:
    for _ in range(3):
        run("tokens", "add", "--owner", "ann", "--note", "x" * 255)
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "chalicelib.admin", "audit", "export"],
        cwd=ROOT,
        env=database_variables,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chalicelib.admin"],
        cwd=ROOT,
        env=os.environ | {"_PACIFICA_CARTD_CMD_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert "_PACIFICA_CARTD_CMD_COMPLETE" in done.stdout
