"""What is counted for each owner is found by its owner, and the owners that the sweep looks at by their time."""

from __future__ import annotations

from chalicelib.db.migrations.ddl import add_index


def statements(dialect: str) -> list[str]:
    return [
        add_index(dialect, "recalls", "recalls_of_owner", "owner"),
        add_index(dialect, "owner_usage", "owner_usage_reconciled", "reconciled_at"),
    ]
