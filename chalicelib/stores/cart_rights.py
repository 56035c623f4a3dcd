"""What the policy last said about a cart's files, in the cart's row. Each change is one guarded UPDATE.

    claim    nobody asks, or the asker died -> being asked
    allow    -> allowed now
    refuse   -> refused now, with what the client is told
    release  being asked -> nobody asks: there was no answer

Being asked: `policy_asked_at` is set, and there is no refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib.db.database import Database
from chalicelib.db.models import Carts, Jobs
from chalicelib.stores.job_row import JobKind


@dataclass(frozen=True, slots=True)
class LastAnswer:
    """How many seconds ago all files were allowed, and the policy was last asked or refused; None for never."""

    allowed: float | None
    asked: float | None
    refusal: str


class CartRightsStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def last(self, cart_id: int) -> LastAnswer:
        """Never asked, for a cart that is gone."""
        now = self._db.now
        columns = (now - Carts.allowed_at, now - Carts.policy_asked_at, Carts.policy_refusal)
        with self._db.session() as db:
            row = Carts.select(*columns).where(Carts.id == cart_id).tuples().first(db)
        return LastAnswer(*row) if row else LastAnswer(None, None, "")

    def claim(self, cart_id: int, refused_for: float, asked_for: float) -> bool:
        """Whether this caller is to ask now. `refused_for`: seconds that a refusal stands, `asked_for`: a claim."""
        now, asked_at = self._db.now, Carts.policy_asked_at
        is_over = (Carts.policy_refusal != "") & (asked_at <= now - refused_for)
        free = asked_at.is_null() | is_over | (asked_at <= now - asked_for)
        with self._db.writing() as db:
            query = Carts.update(policy_asked_at=now, policy_refusal="").where(Carts.id == cart_id, free)
            return bool(query.execute(db))

    def allow(self, cart_id: int) -> None:
        self._set(cart_id, allowed_at=self._db.now, policy_asked_at=None, policy_refusal="")

    def refuse(self, cart_id: int, refusal: str) -> None:
        self._set(cart_id, allowed_at=None, policy_asked_at=self._db.now, policy_refusal=refusal[:1024])

    def release(self, cart_id: int) -> None:
        """The question had no answer: the next request asks."""
        with self._db.writing() as db:
            mine = (Carts.id == cart_id) & (Carts.policy_refusal == "")
            Carts.update(policy_asked_at=None).where(mine).execute(db)

    def has_job(self, cart_id: int) -> bool:
        """Whether a worker is to ask about the cart."""
        with self._db.session() as db:
            return Jobs.select(Jobs.id).where(Jobs.cart_id == cart_id, Jobs.kind == JobKind.POLICY).exists(db)

    def _set(self, cart_id: int, **values: Any) -> None:
        with self._db.writing() as db:
            Carts.update(**values).where(Carts.id == cart_id).execute(db)
