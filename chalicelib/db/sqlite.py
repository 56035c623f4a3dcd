"""Connections to SQLite: the file and its settings."""

from __future__ import annotations

import peewee

from chalicelib.config.settings import Settings


def sqlite(settings: Settings) -> peewee.Database:
    settings.sqlite_path.parent.mkdir(parents=True, exist_ok=True)
    pragmas = {"journal_mode": "wal", "busy_timeout": 20000, "synchronous": "normal"}
    return peewee.SqliteDatabase(str(settings.sqlite_path), pragmas=pragmas, timeout=20)
