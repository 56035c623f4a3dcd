"""When a job may be claimed, whose turn it waits for, and whether its cart is small."""

from __future__ import annotations

from chalicelib.db.migrations.ddl import add_column, add_index


def statements(dialect: str) -> list[str]:
    return [
        add_column("jobs", "due_at DOUBLE NOT NULL DEFAULT 0"),
        add_column("jobs", "ready SMALLINT NOT NULL DEFAULT 1"),
        add_column("jobs", "line VARCHAR(255) NOT NULL DEFAULT ''"),
        add_column("jobs", "small SMALLINT NOT NULL DEFAULT 0"),
        add_index(dialect, "jobs", "jobs_turns", "ready, line, due_at"),
        add_index(dialect, "jobs", "jobs_small_turns", "ready, small, line, due_at"),
        add_index(dialect, "jobs", "jobs_ready", "ready, has_message, due_at"),
    ]
