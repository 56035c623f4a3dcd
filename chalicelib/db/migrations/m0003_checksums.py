"""A checksum per window, and the full-object checksum of a bundle that is combined from them."""

from __future__ import annotations

from chalicelib.db.migrations.ddl import add_column


def statements(dialect: str) -> list[str]:
    return [
        add_column("windows", "checksum VARCHAR(16) NOT NULL DEFAULT ''"),
        add_column("carts", "bundle_checksum VARCHAR(64) NOT NULL DEFAULT ''"),
    ]
