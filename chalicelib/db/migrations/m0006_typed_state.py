"""Columns for state that was encoded in others: whether a job has a message, why it waits, uploaded manifests."""

from __future__ import annotations

from chalicelib.db.migrations.ddl import add_column


def statements(dialect: str) -> list[str]:
    return [
        add_column("jobs", "has_message SMALLINT NOT NULL DEFAULT 1"),
        add_column("jobs", "wait_reason VARCHAR(1024) NOT NULL DEFAULT ''"),
        add_column("carts", "uploaded SMALLINT NOT NULL DEFAULT 0"),
        "UPDATE carts SET uploaded = 1 WHERE SUBSTR(digest, 1, 7) = 'upload-'",
    ]
