"""Files of one job that several workers share while the archive is slow."""

from __future__ import annotations

from chalicelib.db.migrations.ddl import create_table

SHARES = """cart_id BIGINT NOT NULL PRIMARY KEY
job_id BIGINT NOT NULL
next INTEGER NOT NULL
stop INTEGER NOT NULL"""


def statements(dialect: str) -> list[str]:
    return create_table(dialect, "shares", SHARES.splitlines(), indexes={}, unique={})
