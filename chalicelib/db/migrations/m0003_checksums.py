"""The full-object checksum of a bundle, and that of each window, from which it is combined."""

from __future__ import annotations

from chalicelib.db.migrations.ddl import add_column


def statements(dialect: str) -> list[str]:
    return [
        add_column("windows", "checksum VARCHAR(16) NOT NULL DEFAULT ''"),
        add_column("carts", "bundle_checksum VARCHAR(64) NOT NULL DEFAULT ''"),
    ]
