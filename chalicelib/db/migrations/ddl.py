"""DDL for both dialects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ENGINE = " ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"


def auto_key(dialect: str) -> str:
    """Column definition of an auto-increment key."""
    if dialect == "mysql":
        return "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY"
    return "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"


def create_table(
    dialect: str, name: str, columns: Sequence[str], indexes: Mapping[str, str], unique: Mapping[str, str]
) -> list[str]:
    """Statements for a table and its indexes (index name -> columns); they may be run again."""
    lines = list(columns) + [f"CONSTRAINT {key} UNIQUE ({on})" for key, on in unique.items()]
    if dialect == "mysql":
        lines += [f"INDEX {key} ({on})" for key, on in indexes.items()]
        return [f"CREATE TABLE IF NOT EXISTS {name} ({', '.join(lines)}){ENGINE}"]
    table = f"CREATE TABLE IF NOT EXISTS {name} ({', '.join(lines)})"
    return [table] + [f"CREATE INDEX IF NOT EXISTS {key} ON {name} ({on})" for key, on in indexes.items()]


def add_column(name: str, definition: str) -> str:
    """Add a column; the runner ignores the error for one that exists."""
    return f"ALTER TABLE {name} ADD COLUMN {definition}"


def add_index(dialect: str, table: str, name: str, columns: str) -> str:
    """Add an index; the runner ignores the error for one that exists."""
    if dialect == "mysql":
        return f"ALTER TABLE {table} ADD INDEX {name} ({columns})"
    return f"CREATE INDEX IF NOT EXISTS {name} ON {table} ({columns})"
