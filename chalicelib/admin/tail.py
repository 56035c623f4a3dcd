"""`tail`: follows one cart until it ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import click

from chalicelib.admin.one_cart import cart_options, one_cart
from chalicelib.admin.operator import Operator
from chalicelib.admin.output import PROBLEM, json_option, tell, time_of, to_json
from chalicelib.admin.show import history_fields, history_line
from chalicelib.admin.wording import percent, waiting
from chalicelib.db.database import Database
from chalicelib.errors import DatabaseUnavailable
from chalicelib.readable_size import readable_size
from chalicelib.stores.cart_history import CartHistoryStore, Happened
from chalicelib.stores.cart_row import UNFINISHED, CartState
from chalicelib.stores.cart_search import CartSearch, FoundCart
from chalicelib.stores.waiting_jobs import JobWaitStore

MOST = 100  # rows of the history in one look
NEVER = "never"  # what a cart waits for before the first look


@dataclass(frozen=True, slots=True)
class News:
    """What has changed: a line for people, and its fields for programs."""

    line: str
    fields: dict[str, Any]


class Follower:
    """Looks at a cart again and again, and says what has changed."""

    def __init__(self, database: Database, cart_id: int) -> None:
        self._db = database
        self._search, self._waits = CartSearch(database), JobWaitStore(database)
        self._history = CartHistoryStore(database)
        self._cart_id = cart_id
        self._seen = 0
        self._before: tuple[Any, ...] = ()
        self._waited: str | None = NEVER
        self.cart: FoundCart | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more, as far as its client is concerned."""
        return self.cart is None or not self.cart.live or self.cart.state not in UNFINISHED

    def look(self) -> Iterator[News]:
        self.cart = self._search.get(self._cart_id)
        for row in self._history.of_cart(self._cart_id, MOST):
            if row.id > self._seen:
                self._seen = row.id
                yield _happened(row)
        if self.cart is not None and not self.ended:
            yield from self._progress(self.cart)
            yield from self._waiting(self.cart)

    def _progress(self, cart: FoundCart) -> Iterator[News]:
        now = (cart.files_staged, cart.bytes_staged, cart.bundle_bytes)
        if now == self._before:
            return
        self._before = now
        line = (
            f"{cart.files_staged} of {cart.files_total} files, {readable_size(cart.bytes_staged)} staged "
            f"{percent(cart.bytes_staged, cart.bytes_total)}; {readable_size(cart.bundle_bytes)} bundled"
        )
        fields = dict(zip(("files_staged", "bytes_staged", "bundle_bytes"), now, strict=True))
        totals = {"files_total": cart.files_total, "bytes_total": cart.bytes_total, "bundle_size": cart.bundle_size}
        yield _now(self._db.clock(), "progress", line, fields | totals)

    def _waiting(self, cart: FoundCart) -> Iterator[News]:
        wait = self._waits.of_carts([cart.id]).get(cart.id)
        kind = wait.waits_for if wait else None
        if kind == self._waited:
            return
        self._waited = kind
        now = self._db.clock()
        reason = f": {wait.reason}" if wait and wait.reason else ""
        fields = {"waits_for": wait and (wait.waits_for or None), "reason": wait and wait.reason}
        yield _now(now, "waits", waiting(wait, now) + reason, fields)


@click.command()
@cart_options
@click.option(
    "--every",
    type=click.FloatRange(0.05, 3600),
    default=1.0,
    show_default=True,
    help="Seconds between two looks at the database.",
)
@json_option
@click.pass_context
def tail(
    context: click.Context,
    uid: str | None,
    owner: str | None,
    cart_id: int | None,
    gone: bool,
    every: float,
    as_json: bool,
) -> None:
    """Follow one cart until it ends: what happens to it, its progress, and what it waits for.

    Reads the database alone, so it works where there is no log. With --json it prints JSON lines.

    \b
    Example:
      pacifica-cartd-cmd tail mydata --owner ana && echo ready

    Exits with 0 if the cart is ready in the end, and with 3 if it is not: it failed, expired or was deleted. Ctrl-C
    ends the command with 1, and does nothing to the cart.
    """
    operator: Operator = context.obj
    database = operator.migrated
    found = one_cart(CartSearch(database), uid, owner, cart_id, gone)
    last = follow(Follower(database, found.id), every, as_json, time.sleep)
    if last is None or not last.live or last.state != CartState.READY:
        context.exit(PROBLEM)


def follow(follower: Follower, every: float, as_json: bool, sleep: Callable[[float], object]) -> FoundCart | None:
    """Print what happens until the cart has ended; return it as it is then, None if its row is gone."""
    while True:
        try:
            for news in follower.look():
                sys.stdout.write((to_json(news.fields) if as_json else news.line) + "\n")
            sys.stdout.flush()
            if follower.ended:
                return follower.cart
        except DatabaseUnavailable as error:
            tell(f"{error.message} Trying again.")
        sleep(every)


def _happened(row: Happened) -> News:
    return News(history_line(row), {"kind": "event", **history_fields(row)})


def _now(at: float, kind: str, line: str, fields: dict[str, Any]) -> News:
    return News(f"{time_of(at)} {kind}: {line}", {"kind": kind, "at": time_of(at, "milliseconds"), **fields})
