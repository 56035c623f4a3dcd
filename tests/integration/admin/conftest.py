"""Runs the operator's commands on both databases, as a shell would."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.admin import command
from chalicelib.caller import Caller, Scope
from chalicelib.db.database import Database
from chalicelib.stores.audit import AuditAction, AuditStore
from chalicelib.stores.seals import SealStore
from chalicelib.sweep.seal_audit import SealAudit
from tests.integration.conftest import KEYS

ANN = Caller("ann", "ann", frozenset({Scope.READ, Scope.WRITE}), address="192.0.2.7")
BATCH = 4  # records under a seal


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Done]
#: For tests of what is the same on both databases.
ON_SQLITE = pytest.mark.parametrize("database_variables", ["sqlite"], indirect=True)


@pytest.fixture
def run(
    database: Database,
    database_variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs one command on a migrated database."""
    for name, value in database_variables.items():
        monkeypatch.setenv(name, value)

    def running(*arguments: str) -> Done:
        capsys.readouterr()
        code = command.main(arguments)
        output = capsys.readouterr()
        return Done(code, output.out, output.err)

    return running


@pytest.fixture
def aws_variables(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue and a store for commands that change carts."""
    for name, value in {**KEYS, "AWS_ENDPOINT_URL_S3": aws, "AWS_ENDPOINT_URL_SQS": aws}.items():
        monkeypatch.setenv(name, value)


def record(database: Database, number: int, uid: str = "uid") -> None:
    store = AuditStore(database)
    for one in range(number):
        store.record(ANN, AuditAction.DOWNLOAD, uid, one, {"key": f"carts/{one}/1.tar", "name": "Jürgen 🚀"})


def seal(database: Database, batches: int = 100) -> int:
    return SealAudit(SealStore(database), 0, BATCH, batches).run()


@pytest.fixture
def sealed(database: Database) -> Database:
    """Ten records under three seals."""
    record(database, 10)
    assert seal(database) == 10
    return database


def newest_hash(run: Run) -> str:
    found: str = run("audit", "verify", "--json").json["newest_seal"]["hash"]
    return found
