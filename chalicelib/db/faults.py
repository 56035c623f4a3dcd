"""The errors of the database's drivers, as far as they are told apart."""

from __future__ import annotations

NO_SUCH_TABLE = 1146  # MySQL
RETRIED = (1020, 1205, 1213)  # MySQL: record changed, lock wait timeout, deadlock


def is_contention(error: Exception) -> bool:
    """Whether a transaction lost against another, and may be tried again."""
    code = error.args[0] if error.args else None
    return code in RETRIED or "database is locked" in str(error)


def brief(error: Exception) -> str:
    return str(error).replace("\n", " ")[:200]
