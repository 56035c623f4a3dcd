"""Fails carts that are not ready within CART_DEADLINE, except while pulling is paused: that time does not count."""

from __future__ import annotations

from chalicelib.db.database import Database
from chalicelib.endings import CartEndings
from chalicelib.job_message import JobMessage
from chalicelib.stores.cart_survey import CartSurvey
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.switches import Switch, SwitchStore
from chalicelib.sweep.fail_cart import fail_cart


class OverdueCarts:
    def __init__(
        self,
        database: Database,
        survey: CartSurvey,
        jobs: JobStore,
        endings: CartEndings,
        deadline: float,
        limit: int,
    ) -> None:
        """`deadline`: seconds after its POST. `limit`: carts failed in one sweep."""
        self._switches = SwitchStore(database)
        self._db = database
        self._survey = survey
        self._jobs = jobs
        self._endings = endings
        self._deadline = deadline
        self._limit = limit

    def run(self) -> list[JobMessage]:
        messages: list[JobMessage] = []
        if self._switches.paused(Switch.PULLING):
            return messages
        for cart_id in self._survey.overdue(self._deadline, self._limit):
            messages += self._fail(cart_id)
        return messages

    def _fail(self, cart_id: int) -> list[JobMessage]:
        reason = f"It was not ready within CART_DEADLINE, {self._deadline:.0f} s."
        return self._db.transaction(lambda: fail_cart(self._endings, self._jobs, cart_id, reason))
