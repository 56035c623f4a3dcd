"""Makes what compose.production.yml needs: the tables, a user of the database for each process, and the bucket.

It runs on as the service `operator`, in which commands are run, and looks after the bucket. All of it may be repeated.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import peewee

from chalicelib.admin.database_users import make_user
from chalicelib.config import logs
from chalicelib.config.settings import Settings, load
from chalicelib.db import rights, schema
from chalicelib.db.database import Database
from chalicelib.errors import CartError, SettingsError
from infra.local import provision

PAUSE = 2.0  # seconds between two tries
BUCKET_EVERY = 10.0  # seconds between two looks at the bucket


def main() -> None:
    try:
        settings = load(os.environ)
        passwords = {process: password_of(process, Path("/run/secrets")) for process in rights.PROCESSES}
    except SettingsError as error:
        sys.exit(error.message)
    logs.configure(settings.log_level, settings.log_format)
    until_done(lambda: set_up_database(settings, passwords), time.sleep)
    print("tables and users of the database: ready", flush=True)
    provision.keep_created({"bucket": lambda: provision.create_bucket(settings)}, BUCKET_EVERY)


def password_of(process: str, folder: Path) -> str:
    """The only line of the file. Raises SettingsError."""
    try:
        password = (folder / f"database_{process}").read_text().removesuffix("\n")
    except (OSError, UnicodeDecodeError):
        raise SettingsError([f"the secret database_{process} cannot be read"]) from None
    if len(password) < 16 or not password.isprintable():
        raise SettingsError([f"the secret database_{process} must be one line of at least 16 characters"])
    return password


def set_up_database(settings: Settings, passwords: dict[str, str]) -> None:
    """Migrate the tables, and give each process's user its password and the rights of this version."""
    database = Database(settings, read_timeout=None)
    try:
        schema.sync(database)
        for process, password in passwords.items():
            make_user(database, settings.mysql_database, process, password)
    finally:
        database.close()


def until_done(work: Callable[[], None], sleep: Callable[[float], None]) -> None:
    """Call `work` until it succeeds; prints each new reason why it did not."""
    printed = ""
    while True:
        try:
            return work()
        except (CartError, peewee.PeeweeException) as error:
            if str(error) != printed:
                print(f"waiting for the database: {error}", flush=True)
            printed = str(error)
            sleep(PAUSE)


if __name__ == "__main__":
    main()
