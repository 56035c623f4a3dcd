"""How many bytes a window waits for, and how many one holds that was reserved while an older cart waited."""

from __future__ import annotations

from chalicelib.db.migrations.ddl import add_column


def statements(dialect: str) -> list[str]:
    return [
        add_column("windows", "waits_for BIGINT NULL"),
        add_column("windows", "passed_bytes BIGINT NOT NULL DEFAULT 0"),
    ]
