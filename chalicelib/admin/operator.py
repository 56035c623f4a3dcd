"""Who runs a command, and on which database: the settings and the connection that all commands share."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.admin.output import tell
from chalicelib.caller import Caller, Scope
from chalicelib.config import logs
from chalicelib.config.settings import Settings, load
from chalicelib.db import schema
from chalicelib.db.database import Database

if TYPE_CHECKING:
    from chalicelib.admin.looking import Queues
    from chalicelib.wiring_operating import Operating

ACTOR = "operator:"  # begins the actor of all that commands record in the audit


class Operator:
    def __init__(self, environ: Mapping[str, str]) -> None:
        """Reads nothing yet: `--help` works with bad settings."""
        self.environ = environ

    @cached_property
    def settings(self) -> Settings:
        """Raises SettingsError. What a command does it prints itself, so without LOG_LEVEL only warnings are logged."""
        settings = load(self.environ)
        logs.configure(settings.log_level if self.environ.get("LOG_LEVEL") else "WARNING", settings.log_format)
        return settings

    @cached_property
    def database(self) -> Database:
        """The database that the settings name; which one is printed, since a shell may lack the service's variables."""
        tell(f"using {address(self.settings, self.environ)}")
        return Database(self.settings)

    @cached_property
    def patient(self) -> Database:
        """The database, on a connection that waits as long as a migration takes."""
        tell(f"using {address(self.settings, self.environ)}")
        return Database(self.settings, read_timeout=None)

    @cached_property
    def migrated(self) -> Database:
        """The database, with tables that this code can use. Raises SchemaOutdated."""
        schema.check(self.database)
        return self.database

    @cached_property
    def queues(self) -> Queues | None:
        """To look at; None if the jobs table is the queue. Raises SettingsError."""
        if self.settings.queue_is_database:
            return None
        from chalicelib.admin.looking import queues_of  # boto3 takes 0.3 s, and most commands need none

        return queues_of(self.settings)

    @cached_property
    def operating(self) -> Operating:
        """What an operator can do, on the database of `migrated`. Raises SettingsError."""
        from chalicelib.wiring import API_TIMEOUTS, build  # boto3 takes 0.3 s, and most commands need none
        from chalicelib.wiring_operating import operating_of

        assert self.migrated is not None
        return operating_of(build(self.settings, API_TIMEOUTS, process="operator"))

    def caller(self, acts_for: str = "") -> Caller:
        """The actor in the audit: the operating system's name of who runs the command."""
        return Caller(f"{ACTOR}{_user()}", acts_for, frozenset({Scope.ADMIN}))


def address(settings: Settings, environ: Mapping[str, str]) -> str:
    """The database without its login."""
    if settings.mysql_host:
        return f"database {settings.mysql_database} at {settings.mysql_host}:{settings.mysql_port}"
    unset = "" if environ.get("SQLITE_PATH") else " (neither MYSQL_HOST nor SQLITE_PATH is set)"
    return f"SQLite database {settings.sqlite_path}{unset}"


def _user() -> str:
    """Not from the environment, which anybody may set; containers may run as a user without a name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
