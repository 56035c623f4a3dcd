"""When each recalled file is looked at, and what the archive said of it; when the next looks may be made."""

from __future__ import annotations

from chalicelib.db.migrations.ddl import add_column, add_index, create_table

LOOKS = """id INTEGER NOT NULL PRIMARY KEY
next_at DOUBLE NOT NULL DEFAULT 0"""

COLUMNS = """next_look_at DOUBLE NULL DEFAULT 0
looks INTEGER NOT NULL DEFAULT 0
claimed_at DOUBLE NOT NULL DEFAULT 0
size BIGINT NULL
mtime_ns BIGINT NULL
failing_s DOUBLE NOT NULL DEFAULT 0
failing_at DOUBLE NULL
failing_reason VARCHAR(255) NOT NULL DEFAULT ''"""


def statements(dialect: str) -> list[str]:
    return [
        *create_table(dialect, "archive_looks", LOOKS.splitlines(), indexes={}, unique={}),
        *(add_column("recalls", column) for column in COLUMNS.splitlines()),
        add_index(dialect, "recalls", "recalls_look", "next_look_at"),
    ]
