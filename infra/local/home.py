"""CART_HOME: the folder with a local system's state, private to its user, locked by one supervisor at a time.

lock            the supervisor's process id and port, and whether it runs the archive
ports.json      the stand-ins' ports
keys.json       the object store's access key, created once, readable only by its owner
archive/        the archive's files          archive-config/   its configuration
store/          the object store's data      store-config/     its configuration and its key
volume/         the workers' volume
cart.db         SQLite, unless MYSQL_HOST is set
log/NAME.log    the output of each child
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


class CannotStart(Exception):
    """The local system cannot start on this machine as it is configured; the message says why."""


@dataclass(frozen=True, slots=True)
class Home:
    root: Path

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def archive(self) -> Path:
        return self.root / "archive"

    @property
    def archive_config(self) -> Path:
        return self.root / "archive-config"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def store_config(self) -> Path:
        return self.root / "store-config"

    @property
    def volume(self) -> Path:
        return self.root / "volume"

    @property
    def database(self) -> Path:
        return self.root / "cart.db"

    @property
    def ports(self) -> Path:
        return self.root / "ports.json"

    def create(self) -> None:
        """Create the folders that are missing, and make what an earlier release left private. Raises CannotStart.

        The home itself keeps its mode if it exists: CART_HOME may name a folder that has other things in it.
        """
        folders = (self.log, self.archive, self.archive_config, self.store, self.store_config, self.volume)
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in folders:
                folder.mkdir(mode=0o700, exist_ok=True)
                folder.chmod(0o700)
            for file in self._own_files():
                file.chmod(0o600)
        except OSError as error:
            raise CannotStart(f"CART_HOME={self.root} cannot be used: {error}") from error

    def lock(self, port: int, *, own_archive: bool = True) -> IO[str]:
        """Lock the home until the returned file is closed or this process ends. Raises CannotStart if it is locked."""
        lock = (self.root / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise CannotStart(self._locked_message()) from None
        lock.truncate(0)
        json.dump({"pid": os.getpid(), "port": port, "own_archive": own_archive}, lock)
        lock.flush()
        return lock

    def lock_owner(self) -> dict[str, Any]:
        """`pid`, `port` and `own_archive` of the supervisor that has locked this home; empty if it is not locked."""
        if not (self.root / "lock").exists():
            return {}
        with (self.root / "lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                content = lock.read()
                return dict(json.loads(content)) if content else {"pid": "unknown", "port": "unknown"}
        return {}

    def keys(self) -> tuple[str, str]:
        """The object store's access key and secret, created on first use."""
        file = self.root / "keys.json"
        if not file.exists():
            new = {"id": "local" + secrets.token_hex(8), "secret": secrets.token_urlsafe(30)}
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
                json.dump(new, out)
        saved = json.loads(file.read_text())
        return saved["id"], saved["secret"]

    def _own_files(self) -> list[Path]:
        """The files in the home itself that are there; the others are in folders of ours."""
        names = ("lock", "ports.json", "keys.json")
        found = [self.root / name for name in names if (self.root / name).exists()]
        return [*found, *self.root.glob(f"{self.database.name}*")]

    def _locked_message(self) -> str:
        owner = self.lock_owner()
        return (
            f"{self.root} is in use by a running system: process {owner.get('pid')}, port {owner.get('port')}.\n"
            "Stop that system, or set CART_HOME and PORT to run a second one."
        )
