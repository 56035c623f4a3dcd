"""Checksums of a window's files, for a generated checksum file; which of its files are counted; recent progress."""

from __future__ import annotations

from chalicelib.db.migrations.ddl import add_column


def statements(dialect: str) -> list[str]:
    return [
        add_column("windows", "sums LONGTEXT NULL"),
        add_column("windows", "sums_length BIGINT NOT NULL DEFAULT 0"),
        add_column("windows", "counted_map LONGTEXT NULL"),
        add_column("carts", "earlier_at DOUBLE NULL"),
        add_column("carts", "earlier_bytes BIGINT NOT NULL DEFAULT 0"),
        add_column("carts", "later_bytes BIGINT NOT NULL DEFAULT 0"),
        add_column("carts", "later_at DOUBLE NULL"),
        add_column("carts", "counted_at DOUBLE NULL"),
    ]
