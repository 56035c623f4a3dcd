"""Only stores use the models, and each table has one module that writes it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.house import imported, modules

WRITES = {"insert", "insert_many", "insert_from", "update", "delete", "replace", "create", "bulk_create", "save"}
#: Model -> the modules that write it: one, its store.
OWNERS = {
    "Carts": {"chalicelib.stores.carts"},
    "Entries": {"chalicelib.stores.entries"},
    "Jobs": {"chalicelib.stores.jobs", "chalicelib.stores.unsent_jobs"},  # what workers write, what the sweep writes
    "Windows": {"workers.stores.windows"},
    "Recalls": {"workers.stores.recalls"},
    "Shares": {"workers.stores.shared_files"},
    "StagedFiles": {"workers.stores.staged_files"},
    "Volume": {"chalicelib.stores.space_account"},
}
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
    if "chalicelib.db.models" in imported(KNOWN[name]):
        assert is_store(name)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_table_is_written_by_its_store_alone(name: str) -> None:
    assert {model for model in writes(KNOWN[name]) if name not in OWNERS[model]} == set()


def test_every_owner_writes_its_table() -> None:
    for model, owners in OWNERS.items():
        assert all(model in set(writes(KNOWN[owner])) for owner in owners), model
