"""Uploads have rows; carts have options, warnings and an end of their entries; finer progress; reasons of retries."""

from __future__ import annotations

from chalicelib.db.migrations.ddl import add_column, auto_key, create_table

UPLOADS = """owner VARCHAR(255) NOT NULL DEFAULT ''
uid VARCHAR(255) NOT NULL
token VARCHAR(64) NOT NULL
created_at DOUBLE NOT NULL
url_until DOUBLE NOT NULL
etag VARCHAR(128) NOT NULL DEFAULT ''
cart_id BIGINT NOT NULL DEFAULT 0
closed_at DOUBLE NULL"""


def statements(dialect: str) -> list[str]:
    indexes = {"uploads_uid": "owner, uid", "uploads_cart": "cart_id", "uploads_url_until": "url_until"}
    columns = [f"id {auto_key(dialect)}", *UPLOADS.splitlines()]
    return [
        *create_table(dialect, "uploads", columns, indexes, unique={"uploads_token": "token"}),
        add_column("carts", "names VARCHAR(16) NOT NULL DEFAULT ''"),
        add_column("carts", "sums VARCHAR(16) NOT NULL DEFAULT ''"),
        add_column("carts", "warnings TEXT NULL"),
        add_column("carts", "cleared_at DOUBLE NULL"),
        add_column("entries", "failing_reason VARCHAR(255) NOT NULL DEFAULT ''"),
        add_column("windows", "uploaded_bytes BIGINT NOT NULL DEFAULT 0"),
        add_column("windows", "pulling_bytes BIGINT NOT NULL DEFAULT 0"),
    ]
