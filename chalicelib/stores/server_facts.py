"""What the database's server says of itself. It writes nothing."""

from __future__ import annotations

from chalicelib.db.database import Database, execute


class ServerFacts:
    def __init__(self, database: Database) -> None:
        self._db = database

    def version(self) -> str:
        """`MySQL 8.4.3`, `MariaDB 11.4.2` or `SQLite 3.46.1`."""
        with self._db.session() as db:
            if not self._db.is_mysql:
                return f"SQLite {execute(db, 'SELECT sqlite_version()').fetchone()[0]}"
            version = str(execute(db, "SELECT VERSION()").fetchone()[0])
        number, _, maker = version.partition("-")
        return f"MariaDB {number}" if "mariadb" in maker.lower() else f"MySQL {version}"
