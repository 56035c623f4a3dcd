"""Carts, their entries and windows, jobs, staged files and the volume's space account."""

from __future__ import annotations

from chalicelib.db.migrations.ddl import auto_key, create_table

CARTS = """owner VARCHAR(255) NOT NULL DEFAULT ''
uid VARCHAR(255) NOT NULL
live SMALLINT
state VARCHAR(16) NOT NULL
message VARCHAR(1024) NOT NULL DEFAULT ''
root VARCHAR(255) NOT NULL
digest VARCHAR(64) NOT NULL
attempt INTEGER NOT NULL DEFAULT 1
upload_id VARCHAR(1024) NOT NULL DEFAULT ''
part_size BIGINT NOT NULL DEFAULT 0
files_total INTEGER NOT NULL
files_staged INTEGER NOT NULL DEFAULT 0
bytes_total BIGINT NOT NULL DEFAULT 0
bytes_staged BIGINT NOT NULL DEFAULT 0
windows_total INTEGER NOT NULL DEFAULT 0
windows_staged INTEGER NOT NULL DEFAULT 0
windows_done INTEGER NOT NULL DEFAULT 0
bundle_size BIGINT NOT NULL DEFAULT 0
bundle_bytes BIGINT NOT NULL DEFAULT 0
bundle_etag VARCHAR(128) NOT NULL DEFAULT ''
created_at DOUBLE NOT NULL
staging_at DOUBLE
bundling_at DOUBLE
ended_at DOUBLE
deleted_at DOUBLE
expired_at DOUBLE
used_at DOUBLE NOT NULL
url_until DOUBLE NOT NULL DEFAULT 0"""

ENTRIES = """cart_id BIGINT NOT NULL
position INTEGER NOT NULL
archive_id VARCHAR(255) NOT NULL
path VARCHAR(4096) NOT NULL
hash_name VARCHAR(16) NOT NULL
hash_hex VARCHAR(128) NOT NULL
new_dirs INTEGER NOT NULL
size BIGINT
mtime_ns BIGINT
on_tape SMALLINT NOT NULL DEFAULT 0
error VARCHAR(255) NOT NULL DEFAULT ''
failing_s DOUBLE NOT NULL DEFAULT 0
failing_at DOUBLE
PRIMARY KEY (cart_id, position)"""

WINDOWS = """cart_id BIGINT NOT NULL
number INTEGER NOT NULL
first INTEGER NOT NULL
files INTEGER NOT NULL
length BIGINT NOT NULL
first_part INTEGER NOT NULL
state VARCHAR(16) NOT NULL
counted_files INTEGER NOT NULL DEFAULT 0
counted_bytes BIGINT NOT NULL DEFAULT 0
waits_since DOUBLE
PRIMARY KEY (cart_id, number)"""

JOBS = """cart_id BIGINT NOT NULL
kind VARCHAR(16) NOT NULL
`window` INTEGER NOT NULL DEFAULT 0
attempts INTEGER NOT NULL DEFAULT 0
sends INTEGER NOT NULL DEFAULT 0
token BIGINT NOT NULL DEFAULT 0
lease_until DOUBLE NOT NULL DEFAULT 0
next_send_at DOUBLE NOT NULL
progress_at DOUBLE NOT NULL
last_error VARCHAR(1024) NOT NULL DEFAULT ''"""

STAGED_FILES = """archive_id VARCHAR(255) NOT NULL PRIMARY KEY
name VARCHAR(64) NOT NULL
state VARCHAR(16) NOT NULL
puller BIGINT NOT NULL DEFAULT 0
size BIGINT NOT NULL
mtime_ns BIGINT NOT NULL
hashes VARCHAR(2048) NOT NULL DEFAULT '{}'
pins INTEGER NOT NULL DEFAULT 0
used_at DOUBLE NOT NULL"""

VOLUME = """id INTEGER NOT NULL PRIMARY KEY
used BIGINT NOT NULL
staged BIGINT NOT NULL DEFAULT 0
version BIGINT NOT NULL DEFAULT 0"""


def statements(dialect: str) -> list[str]:
    key = f"id {auto_key(dialect)}"
    ignore = "INSERT IGNORE" if dialect == "mysql" else "INSERT OR IGNORE"
    return [
        *create_table(
            dialect,
            "carts",
            [key, *CARTS.splitlines()],
            indexes={"carts_expiry": "live, state, used_at"},
            unique={"carts_one_live": "owner, uid, live"},
        ),
        *create_table(dialect, "entries", ENTRIES.splitlines(), indexes={}, unique={}),
        *create_table(
            dialect,
            "windows",
            WINDOWS.splitlines(),
            indexes={"windows_waiting": "waits_since, cart_id", "windows_state": "state"},
            unique={},
        ),
        *create_table(
            dialect,
            "jobs",
            [key, *JOBS.splitlines()],
            indexes={"jobs_due": "next_send_at", "jobs_of_cart": "cart_id"},
            unique={},
        ),
        *create_table(
            dialect,
            "staged_files",
            STAGED_FILES.splitlines(),
            indexes={"staged_files_lru": "pins, state, used_at", "staged_files_name": "name"},
            unique={},
        ),
        *create_table(dialect, "volume", VOLUME.splitlines(), indexes={}, unique={}),
        f"{ignore} INTO volume (id, used) VALUES (1, 0)",
    ]
