"""Access: tokens, shares of carts, what each owner uses and may use, answers of the policy, and the audit."""

from __future__ import annotations

from chalicelib.db.migrations.ddl import add_column, add_index, auto_key, create_table

TOKENS = """owner VARCHAR(255) NOT NULL
hash VARCHAR(64) NOT NULL
scopes VARCHAR(255) NOT NULL
member_of TEXT NULL
note VARCHAR(255) NOT NULL DEFAULT ''
created_at DOUBLE NOT NULL
expires_at DOUBLE NULL
revoked_at DOUBLE NULL"""

SHARES = """cart_id BIGINT NOT NULL
hash VARCHAR(64) NOT NULL
recipient VARCHAR(255) NOT NULL
created_at DOUBLE NOT NULL
expires_at DOUBLE NOT NULL
revoked_at DOUBLE NULL"""

USAGE = """owner VARCHAR(255) NOT NULL PRIMARY KEY
member_of TEXT NULL
carts BIGINT NOT NULL DEFAULT 0
entries BIGINT NOT NULL DEFAULT 0
bundles BIGINT NOT NULL DEFAULT 0
staging BIGINT NOT NULL DEFAULT 0
recalls BIGINT NOT NULL DEFAULT 0
uploads BIGINT NOT NULL DEFAULT 0
posts BIGINT NOT NULL DEFAULT 0
posts_minute BIGINT NOT NULL DEFAULT 0
limit_carts BIGINT NOT NULL DEFAULT 0
limit_entries BIGINT NOT NULL DEFAULT 0
limit_bundles BIGINT NOT NULL DEFAULT 0
limit_staging BIGINT NOT NULL DEFAULT 0
limit_recalls BIGINT NOT NULL DEFAULT 0
limit_uploads BIGINT NOT NULL DEFAULT 0
limit_posts BIGINT NOT NULL DEFAULT 0
reconciled_at DOUBLE NOT NULL DEFAULT 0"""

AUDIT = """at DOUBLE NOT NULL
actor VARCHAR(255) NOT NULL
action VARCHAR(32) NOT NULL
owner VARCHAR(255) NOT NULL
uid VARCHAR(255) NOT NULL DEFAULT ''
cart_id BIGINT NOT NULL DEFAULT 0
address VARCHAR(64) NOT NULL DEFAULT ''
details LONGTEXT NULL
seal BIGINT NULL"""

SEALS = """first_id BIGINT NOT NULL
last_id BIGINT NOT NULL
records BIGINT NOT NULL
previous VARCHAR(64) NOT NULL
hash VARCHAR(64) NOT NULL
sealed_at DOUBLE NOT NULL"""

REFUSALS = """at_minute BIGINT NOT NULL
address VARCHAR(64) NOT NULL
refusals BIGINT NOT NULL
PRIMARY KEY (at_minute, address)"""


def statements(dialect: str) -> list[str]:
    key = f"id {auto_key(dialect)}"
    audit_indexes = {"audit_records_seal": "seal, id", "audit_records_at": "at", "audit_records_uid": "owner, uid"}
    return [
        *create_table(
            dialect,
            "access_tokens",
            [key, *TOKENS.splitlines()],
            {"access_tokens_owner": "owner"},
            unique={"access_tokens_hash": "hash"},
        ),
        *create_table(
            dialect,
            "cart_shares",
            [key, *SHARES.splitlines()],
            {"cart_shares_cart": "cart_id", "cart_shares_expires": "expires_at"},
            unique={"cart_shares_hash": "hash"},
        ),
        *create_table(dialect, "owner_usage", USAGE.splitlines(), {}, unique={}),
        *create_table(dialect, "audit_records", [key, *AUDIT.splitlines()], audit_indexes, unique={}),
        *create_table(dialect, "audit_seals", [key, *SEALS.splitlines()], {}, unique={}),
        *create_table(dialect, "refusal_counts", REFUSALS.splitlines(), {}, unique={}),
        add_column("carts", "charged SMALLINT NOT NULL DEFAULT 0"),
        add_column("carts", "charged_entries BIGINT NOT NULL DEFAULT 0"),
        add_column("carts", "charged_bytes BIGINT NOT NULL DEFAULT 0"),
        add_column("carts", "allowed_at DOUBLE NULL"),
        add_column("carts", "policy_asked_at DOUBLE NULL"),
        add_column("carts", "policy_refusal VARCHAR(1024) NOT NULL DEFAULT ''"),
        add_column("windows", "charged_bytes BIGINT NOT NULL DEFAULT 0"),
        add_column("recalls", "owner VARCHAR(255) NOT NULL DEFAULT ''"),
        add_column("uploads", "charged SMALLINT NOT NULL DEFAULT 0"),
        add_index(dialect, "carts", "carts_of_owner", "owner, live, id"),
    ]
