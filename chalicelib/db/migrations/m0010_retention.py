"""Indexes by which the sweep finds what is over: rows of ended carts, and recalls of jobs that are gone."""

from __future__ import annotations

from chalicelib.db.migrations.ddl import add_index


def statements(dialect: str) -> list[str]:
    return [
        add_index(dialect, "carts", "carts_uncleared", "cleared_at, live, state, ended_at"),
        add_index(dialect, "carts", "carts_failed", "live, state, ended_at"),
        add_index(dialect, "carts", "carts_expired", "expired_at"),
        add_index(dialect, "carts", "carts_deleted", "deleted_at"),
        add_index(dialect, "recalls", "recalls_job", "job_id"),
    ]
