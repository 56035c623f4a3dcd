"""Recalls, so that each file is recalled once; how far the volume is reconciled."""

from __future__ import annotations

from chalicelib.db.migrations.ddl import add_column, create_table

RECALLS = """archive_id VARCHAR(255) NOT NULL PRIMARY KEY
job_id BIGINT NOT NULL
requested_at DOUBLE
claimed_until DOUBLE NOT NULL"""


def statements(dialect: str) -> list[str]:
    return [
        *create_table(dialect, "recalls", RECALLS.splitlines(), indexes={}, unique={}),
        add_column("volume", "reconciled_at DOUBLE NOT NULL DEFAULT 0"),
        add_column("volume", "reconciled_to INTEGER NOT NULL DEFAULT 0"),
    ]
