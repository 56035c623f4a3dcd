"""Only stores use the models, and each table has one module that writes it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.house import imported, modules

WRITES = {"insert", "insert_many", "insert_from", "update", "delete", "replace", "create", "bulk_create", "save"}
#: Model -> the modules that write it: its store, or its stores.
OWNERS = {
    # Its life; what is left of it; what it counts for; what the policy said; what a pause puts off.
    "Carts": {
        "chalicelib.stores.carts",
        "chalicelib.stores.guarded_changes",
        "chalicelib.stores.ended_carts",
        "chalicelib.stores.cart_charges",
        "chalicelib.stores.cart_statements",
        "chalicelib.stores.cart_rights",
        "chalicelib.stores.cart_ids",
        "chalicelib.stores.paused_carts",
    },
    "OwnerUsage": {"chalicelib.stores.owner_usage"},
    "Entries": {"chalicelib.stores.entries"},
    "Uploads": {"chalicelib.stores.uploads"},
    # What workers write, who stands in line, what the sweep writes, whose turn it is to have space.
    "Jobs": {
        "chalicelib.stores.jobs",
        "chalicelib.stores.job_statements",
        "chalicelib.stores.job_waits",
        "chalicelib.stores.unlocked_jobs",
        "chalicelib.stores.unsent_jobs",
        "chalicelib.stores.operated_jobs",
        "chalicelib.stores.waiting_windows",
    },
    "Windows": {"workers.stores.windows", "workers.stores.window_charges"},
    # What is recalled; what the looks found.
    "Recalls": {"workers.stores.recalls", "workers.stores.recall_owners", "workers.stores.tape_looks"},
    "ArchiveLooks": {"workers.stores.tape_looks"},
    "Shares": {"workers.stores.shared_files"},
    # What lies on the volume, what leaves it, what an operator wants to leave it.
    "StagedFiles": {
        "workers.stores.staged_files",
        "workers.stores.evicted_files",
        "chalicelib.stores.eviction_marks",
    },
    "AccessTokens": {"chalicelib.stores.access_tokens"},
    "CartShares": {"chalicelib.stores.cart_shares"},
    # What was done; what is sealed, and what is old.
    "AuditRecords": {"chalicelib.stores.audit", "chalicelib.stores.seals"},
    "AuditSeals": {"chalicelib.stores.seals"},
    "RefusalCounts": {"chalicelib.stores.refusal_counts"},
    "Volume": {"chalicelib.stores.space_account"},
    "CartHistory": {"chalicelib.stores.cart_history", "chalicelib.stores.sweep_times"},
    "Workers": {"chalicelib.stores.worker_states"},
    "Switches": {"chalicelib.stores.switches"},
    # What is to be told; what was delivered.
    "Notifications": {"chalicelib.stores.outbox", "workers.stores.notifications"},
    "NotifyKeys": {"chalicelib.stores.notify_keys"},
}
MODELS = {f"chalicelib.db.{name}" for name in ("models", "access_models", "operating_models", "volume_models")}
KNOWN = modules("chalicelib", "workers")


def is_store(name: str) -> bool:
    return ".stores." in name or name.startswith("chalicelib.db")


def writes(path: Path) -> Iterator[str]:
    """The model of every statement of a module that writes."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=model), attr=method)):
                if model in OWNERS and method in WRITES:
                    yield model


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_only_stores_import_the_models(name: str) -> None:
    if MODELS & set(imported(KNOWN[name])):
        assert is_store(name)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_table_is_written_by_its_store_alone(name: str) -> None:
    assert {model for model in writes(KNOWN[name]) if name not in OWNERS[model]} == set()


def test_every_owner_writes_its_table() -> None:
    for model, owners in OWNERS.items():
        assert all(model in set(writes(KNOWN[owner])) for owner in owners), model
