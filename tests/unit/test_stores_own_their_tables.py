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
    "Shares": {"workers.stores.shared_ranges"},
    "StagedFiles": {"workers.stores.staged_files"},
    "Volume": {"workers.stores.staged_files"},
}
#: (module, model, columns): a write outside the store of the table.
EXCEPTIONS = {("chalicelib.stores.jobs", "Volume", ("reconciled_at",))}  # guards the sweep's reconcile job
KNOWN = modules("chalicelib", "workers")


def is_store(name: str) -> bool:
    return ".stores." in name or name.startswith("chalicelib.db")


def writes(path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Model and named columns of every statement of a module that writes."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=model), attr=method), keywords=columns):
                if model in OWNERS and method in WRITES:
                    yield model, tuple(sorted(column.arg or "**" for column in columns))


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_only_stores_import_the_models(name: str) -> None:
    if "chalicelib.db.models" in imported(KNOWN[name]):
        assert is_store(name)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_table_is_written_by_its_store_alone(name: str) -> None:
    others = {(name, *write) for write in writes(KNOWN[name]) if name not in OWNERS[write[0]]}
    assert others - EXCEPTIONS == set()


def test_every_owner_writes_its_table() -> None:
    for model, owners in OWNERS.items():
        assert all(model in {written for written, _ in writes(KNOWN[owner])} for owner in owners), model


def test_every_exception_is_needed() -> None:
    for name, *write in EXCEPTIONS:
        assert tuple(write) in set(writes(KNOWN[name]))
