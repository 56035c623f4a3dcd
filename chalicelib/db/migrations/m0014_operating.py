"""Operating the service: what happened to each cart, which workers there are, what is paused, and who is told."""

from __future__ import annotations

from chalicelib.db.migrations.ddl import add_column, auto_key, create_table

HISTORY = """cart_id BIGINT NOT NULL
at DOUBLE NOT NULL
event VARCHAR(32) NOT NULL
cause VARCHAR(1024) NOT NULL DEFAULT ''
process VARCHAR(255) NOT NULL DEFAULT ''"""

WORKERS = """name VARCHAR(255) NOT NULL PRIMARY KEY
revision VARCHAR(64) NOT NULL DEFAULT ''
started_at DOUBLE NOT NULL
seen_at DOUBLE NOT NULL
stopped_at DOUBLE NULL
held LONGTEXT NULL
step VARCHAR(255) NOT NULL DEFAULT ''
step_at DOUBLE NULL
memory BIGINT NOT NULL DEFAULT 0
hung SMALLINT NOT NULL DEFAULT 0"""

SWITCHES = """name VARCHAR(32) NOT NULL PRIMARY KEY
since DOUBLE NOT NULL
actor VARCHAR(255) NOT NULL
why VARCHAR(1024) NOT NULL DEFAULT ''"""

NOTIFICATIONS = """cart_id BIGINT NOT NULL
owner VARCHAR(255) NOT NULL
uid VARCHAR(255) NOT NULL
event VARCHAR(16) NOT NULL
channel VARCHAR(16) NOT NULL
target VARCHAR(2048) NOT NULL
created_at DOUBLE NOT NULL
due_at DOUBLE NOT NULL
attempts INTEGER NOT NULL DEFAULT 0
token BIGINT NOT NULL DEFAULT 0
last_error VARCHAR(1024) NOT NULL DEFAULT ''
open SMALLINT NULL DEFAULT 1
delivered_at DOUBLE NULL
given_up_at DOUBLE NULL"""

KEYS = """public_key VARCHAR(64) NOT NULL PRIMARY KEY
seen_at DOUBLE NOT NULL"""


def statements(dialect: str) -> list[str]:
    key = f"id {auto_key(dialect)}"
    notified = {
        "notifications_due": "open, due_at",
        "notifications_cart": "cart_id",
        "notifications_owner": "owner, open",
        "notifications_created": "created_at",
    }
    return [
        *create_table(
            dialect, "cart_history", [key, *HISTORY.splitlines()], {"cart_history_cart": "cart_id, id"}, unique={}
        ),
        *create_table(dialect, "workers", WORKERS.splitlines(), {"workers_seen": "seen_at"}, unique={}),
        *create_table(dialect, "switches", SWITCHES.splitlines(), {}, unique={}),
        *create_table(dialect, "notifications", [key, *NOTIFICATIONS.splitlines()], notified, unique={}),
        *create_table(dialect, "notify_keys", KEYS.splitlines(), {}, unique={}),
        add_column("jobs", "waits_for VARCHAR(16) NOT NULL DEFAULT ''"),
        add_column("jobs", "waits_since DOUBLE NULL"),
        add_column("jobs", "request VARCHAR(64) NOT NULL DEFAULT ''"),
        add_column("carts", "request VARCHAR(64) NOT NULL DEFAULT ''"),
        add_column("carts", "notify TEXT NULL"),
    ]
