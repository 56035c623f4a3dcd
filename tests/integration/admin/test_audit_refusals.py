"""Counts of refusals without a login, and `audit refusals`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.admin.command import main
from chalicelib.db.database import Database
from chalicelib.stores.audit_log import AuditLog
from chalicelib.stores.refusal_counts import RefusalCountStore
from tests.integration.admin.conftest import Run
from tests.integration.aging import DAY


def test_refusals_without_a_login_are_shown_by_address(run: Run, database: Database) -> None:
    minute = int(database.clock() // 60)
    store = RefusalCountStore(database)
    store.add({(minute, "192.0.2.1"): 5, (minute - 3, "192.0.2.1"): 1, (minute, "*"): 70, (minute, ""): 1})
    store.add({(minute - 3000, "192.0.2.9"): 1})
    shown = [(row["address"], row["refusals"]) for row in run("audit", "refusals", "--json").json]
    assert shown == [("*", 70), ("192.0.2.1", 6), ("unknown", 1)]
    assert "192.0.2.9" in run("audit", "refusals", "--since", "7 days").out


def test_old_counts_of_refusals_go_and_young_ones_stay(database: Database) -> None:
    store, minute = RefusalCountStore(database), int(database.clock() // 60)
    store.add({(minute - 366 * 1440 + number, f"192.0.2.{one}"): 1 for number in range(5) for one in range(3)})
    store.add({(minute, "192.0.2.1"): 7, (minute - 364 * 1440, "192.0.2.1"): 1})
    assert [store.delete_old(365 * DAY, 4) for _ in range(4)] == [6, 6, 3, 0]
    assert AuditLog(database).refusals(0)[0][:2] == ("192.0.2.1", 8)


def test_processes_that_count_at_once_lose_nothing(database: Database) -> None:
    def add(_: int) -> None:
        try:
            for number in range(10):
                RefusalCountStore(database).add({(7, f"192.0.2.{number % 3}"): 1, (7, "*"): 2})
        finally:
            database.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, range(6)))
    counts = {address: count for address, count, *_ in AuditLog(database).refusals(0)}
    assert (counts.pop("*"), sum(counts.values())) == (120, 60)


@pytest.mark.parametrize("command", ["verify", "export", "refusals"])
def test_without_tables_a_command_says_what_to_do(
    database_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: Any, command: str
) -> None:
    for name, value in database_variables.items():
        monkeypatch.setenv(name, value)
    assert main(["audit", command]) == 1
    output = capsys.readouterr()
    assert (output.out, "run dbsync" in output.err, "Traceback" in output.err) == ("", True, False)
