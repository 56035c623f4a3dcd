"""What each process logs when it starts: which code it is, on which tables, with which settings."""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping

from chalicelib.config.settings import Settings
from chalicelib.config.unknown_variables import near_misses
from chalicelib.db import schema
from chalicelib.db.database import Database
from chalicelib.errors import DatabaseUnavailable

log = logging.getLogger(__name__)


def log_start(process: str, settings: Settings, database: Database, environ: Mapping[str, str]) -> None:
    """One line, and a warning for each variable whose name is nearly that of a setting. Never raises."""
    try:
        have: int | None = schema.applied(database)
    except DatabaseUnavailable:
        have = None  # the process will say so when it needs the database
    want, python = max(schema.available()), platform.python_version()
    extra = {"process_name": process, "revision": settings.revision, "python": python, "tables": have, "code": want}
    shown = "an unknown version" if have is None else f"version {have}"
    log.info(
        "%s starts: revision %s, Python %s, tables at %s, code for version %d, %r",
        *(process, settings.revision, python, shown, want, settings),
        extra=extra,
    )
    for name, meant in near_misses(environ):
        log.warning("%s: did you mean %s? No process reads the first.", name, meant)
