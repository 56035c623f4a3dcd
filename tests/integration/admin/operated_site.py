"""A whole system, with workers, that the operator's commands work on as a shell would."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.admin import command
from chalicelib.db.access_models import AuditRecords
from tests.integration.admin.conftest import Done
from tests.integration.conftest import Site

POLICIES = {"workers_stopped_after": 0.5, "retries": {"while_down": 0.5}}
SETTINGS = {"LEASE": "2", "ARCHIVE_PATIENCE": "1", "ARCHIVE_READ_TIMEOUT": "2"}


class Operated:
    """A site, and `run`, which runs a command on it."""

    def __init__(self, site: Site, run: Callable[..., Done]) -> None:
        self.site = site
        self.run = run
        self.system = site.system

    def audited(self, *actions: str) -> list[tuple[Any, ...]]:
        """Actor, action, uid of what operators have done."""
        columns = (AuditRecords.actor, AuditRecords.action, AuditRecords.uid)
        query = AuditRecords.select(*columns).where(AuditRecords.actor.startswith("operator:"))
        with self.system.database.session() as db:
            rows = list(query.order_by(AuditRecords.id).tuples().execute(db))
        return [row for row in rows if row[1] in actions] if actions else rows


@pytest.fixture
def operated_of(
    site_of: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Operated]:
    def make(**more: str) -> Operated:
        site = site_of(POLICIES, **SETTINGS | more)
        for name, value in site.variables.items():
            monkeypatch.setenv(name, value)

        def run(*arguments: str) -> Done:
            capsys.readouterr()
            code = command.main(arguments)
            output = capsys.readouterr()
            return Done(code, output.out, output.err)

        return Operated(site, run)

    return make


@pytest.fixture
def operated(operated_of: Callable[..., Operated]) -> Operated:
    return operated_of()


def together(*works: Callable[[], Any]) -> list[Any]:
    """Run these at the same time; their results."""
    results: list[Any] = [None] * len(works)

    def run(number: int) -> None:
        results[number] = works[number]()

    threads = [threading.Thread(target=run, args=[number]) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
