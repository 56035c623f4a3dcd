"""The ids of carts, which name bundles in the store: none may come twice, also after the database was restored."""

from __future__ import annotations

from chalicelib.db.database import Database, execute
from chalicelib.db.models import Carts


class CartIds:
    def __init__(self, database: Database) -> None:
        self._db = database

    def skip(self, count: int) -> int:
        """Leave out `count` ids after the largest that was given, or would be given next; return the next cart's id."""
        return self._skip_mysql(count) if self._db.is_mysql else self._db.transaction(lambda: self._skip_sqlite(count))

    def _skip_mysql(self, count: int) -> int:
        """The server itself never lowers the next id."""
        with self._db.session() as db:
            cart_id = int(
                Carts.insert(**_NOBODYS).execute(db)
            )  # the next id, which information_schema may not know yet
            Carts.delete().where(Carts.id == cart_id).execute(db)
            execute(db, f"ALTER TABLE carts AUTO_INCREMENT = {cart_id + count}")
        return cart_id + count

    def _skip_sqlite(self, count: int) -> int:
        db = self._db.peewee
        row = execute(db, "SELECT seq FROM sqlite_sequence WHERE name = 'carts'").fetchone()
        last = (row[0] if row else 0) + count
        execute(db, "DELETE FROM sqlite_sequence WHERE name = 'carts'")
        execute(db, "INSERT INTO sqlite_sequence (name, seq) VALUES ('carts', ?)", (last,))
        return int(last) + 1


#: A row that no client finds, for a moment.
_NOBODYS = {"uid": "-", "live": None, "root": "-", "digest": "", "files_total": 0, "created_at": 0, "used_at": 0}
