"""CART_HOME: where a local system keeps its state, held by one supervisor at a time.

lock            who holds it: process, port, and whether the archive is its own
ports.json      the stand-ins' ports
keys.json       the object store's access key, made once, readable by its owner alone
archive/        the archive's files          archive-config/   its settings
store/          the object store's data      volume/           the workers' volume
cart.db         SQLite, unless MYSQL_HOST is set
log/NAME.log    what each child says
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


class InTheWay(Exception):
    """Something that is there already keeps this system from starting; the message says what."""


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
    def volume(self) -> Path:
        return self.root / "volume"

    @property
    def database(self) -> Path:
        return self.root / "cart.db"

    @property
    def ports(self) -> Path:
        return self.root / "ports.json"

    def make(self) -> None:
        try:
            for folder in (self.log, self.archive, self.archive_config, self.store, self.volume):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InTheWay(f"CART_HOME={self.root} cannot be used: {error}") from error

    def hold(self, port: int, *, own_archive: bool = True) -> IO[str]:
        """The lock, held until it is closed or this process ends; raises InTheWay when another process has it."""
        lock = (self.root / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise InTheWay(self._held_by()) from None
        lock.truncate(0)
        json.dump({"pid": os.getpid(), "port": port, "own_archive": own_archive}, lock)
        lock.flush()
        return lock

    def holder(self) -> dict[str, Any]:
        """Process, port and archive of the supervisor that holds this home; empty when there is none."""
        if not (self.root / "lock").exists():
            return {}
        with (self.root / "lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                said = lock.read()
                return dict(json.loads(said)) if said else {"pid": "unknown", "port": "unknown"}
        return {}

    def keys(self) -> tuple[str, str]:
        """The object store's access key and secret."""
        file = self.root / "keys.json"
        if not file.exists():
            made = {"id": "local" + secrets.token_hex(8), "secret": secrets.token_urlsafe(30)}
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
                json.dump(made, out)
        kept = json.loads(file.read_text())
        return kept["id"], kept["secret"]

    def _held_by(self) -> str:
        holder = self.holder()
        return (
            f"{self.root} is held by a running system: process {holder.get('pid')}, port {holder.get('port')}.\n"
            "Stop that one (Ctrl-C, or kill it), or give this one its own CART_HOME and PORT."
        )
