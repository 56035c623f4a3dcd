"""What a server's process does before its first request."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping

from chalicelib.auth.start_check import check_login
from chalicelib.config import logs
from chalicelib.config.settings import Settings, load
from chalicelib.db import schema
from chalicelib.db.database import Database
from chalicelib.start_line import log_start


def checked_settings(environ: Mapping[str, str]) -> Settings:
    """Check the settings and migrate the tables. Raises SettingsError, DatabaseUnavailable."""
    settings = load(environ)
    check_login(settings)
    logs.configure(settings.log_level, settings.log_format)
    schema.prepare(settings)
    database = Database(settings)
    log_start("api", settings, database, environ)
    database.close()
    return settings


def end_with_parent() -> None:
    """Stop this process when the one that started it is killed: it would go on serving beside its successor."""
    parent = multiprocessing.parent_process()
    if parent is not None:

        def stop() -> None:
            parent.join()
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=stop, daemon=True).start()
