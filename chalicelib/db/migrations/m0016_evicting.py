"""How many bytes have ever left what is staged: so a look at the disk knows what was evicted meanwhile."""

from __future__ import annotations

from chalicelib.db.migrations.ddl import add_column


def statements(dialect: str) -> list[str]:
    return [add_column("volume", "removed BIGINT NOT NULL DEFAULT 0")]
