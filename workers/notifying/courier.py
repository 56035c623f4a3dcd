"""Delivers the outbox, in threads of its own, so that no receiver holds up a cart.

At least once: what is claimed and not recorded as delivered comes due again. Nothing wakes the courier: each worker
looks every few seconds, so neither a lost message nor a dead worker delays more than that.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from chalicelib.config.log_context import logged_with
from workers.notifying.event import Event, event_of
from workers.notifying.results import NeverDelivered, NotDelivered
from workers.stores.notifications import Notification, NotificationStore

log = logging.getLogger(__name__)

#: By place and owner, what waits there for a delivery under way.
Crowded = dict[tuple[str, str], deque[Notification]]


class Sender(Protocol):
    def send(self, where: str, event: Event, /) -> None:
        """Raises NotDelivered, NeverDelivered."""


@dataclass(frozen=True, slots=True)
class CourierPolicy:
    """`slots`: deliveries at once, `per_place`: to one host or channel, `per_owner`: of one owner, who may have many
    hosts; others of these wait `postponed` seconds, or follow as soon as their receiver has taken one.

    `look`: rows looked at in one round, every `pause` seconds. The n-th failure waits `first` * 2^n seconds, at most
    `longest`. What is older than `patience` seconds is given up.
    """

    slots: int = 6
    per_place: int = 2
    per_owner: int = 3
    postponed: float = 3.0
    look: int = 500
    pause: float = 3.0
    first: float = 5.0
    longest: float = 3600.0
    patience: float = 3 * 86400.0


class Courier:
    def __init__(
        self,
        store: NotificationStore,
        senders: Mapping[str, Sender],
        public_url: str,
        clock: Callable[[], float],
        close: Callable[[], None],
        policy: CourierPolicy = CourierPolicy(),
    ) -> None:
        """`senders`: by channel. `clock`: the database's. `close` ends a thread's connection to it."""
        self._store = store
        self._senders = senders
        self._public_url = public_url
        self._clock = clock
        self._close = close
        self._policy = policy
        self._pool = ThreadPoolExecutor(policy.slots, thread_name_prefix="notify")
        self._under_way: Counter[str] = Counter()  # by place
        self._of_owners: Counter[str] = Counter()
        self._crowded: Crowded = {}  # of the last round
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def run(self) -> None:
        """Until `stop`."""
        while not self._stopped.is_set():
            try:
                self.round()
            except Exception as error:  # any error: if this thread ended, nobody would be told any more
                log.warning("cannot look for notifications: %s", error)
            self._stopped.wait(self._policy.pause)

    def stop(self) -> None:
        """Begin nothing more; what is under way ends, or comes due again."""
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def round(self) -> list[Future[None]]:
        """Begin the deliveries that are due and have a place."""
        chosen, crowded = self._choose(self._store.due(self._policy.look))
        if crowded:
            self._store.postpone(crowded, self._policy.postponed)
        self._crowded = _by_receiver(crowded)
        return [self._begin(claimed) for found in chosen if (claimed := self._store.claim(found))]

    def deliver(self, claimed: Notification) -> bool:
        """One attempt, recorded however it ends; whether it is over, so that the next may follow at once."""
        with logged_with(uid=claimed.uid, owner=claimed.owner, cart=claimed.cart_id):
            return self._attempt(claimed)

    def _attempt(self, claimed: Notification) -> bool:
        cart = self._store.ended_cart(claimed)
        if cart is None:
            self._store.give_up(claimed, "the cart was deleted or replaced, or has begun again")
            return True
        try:
            self._send(claimed, event_of(claimed, cart, self._public_url))
        except NeverDelivered as error:
            self._give_up(claimed, str(error))
        except NotDelivered as error:
            self._fail(claimed, str(error), error.after)
            return False
        else:
            self._store.delivered(claimed)
            log.info("cart %d: told by %s that it is %s", claimed.cart_id, claimed.channel, claimed.event)
        return True

    def _send(self, claimed: Notification, event: Event) -> None:
        """Raises NotDelivered, NeverDelivered."""
        sender = self._senders.get(claimed.channel)
        if sender is None:
            raise NotDelivered(f"no setting says how to reach a {claimed.channel}")
        try:
            sender.send(claimed.target, event)
        except (NotDelivered, NeverDelivered):
            raise
        except Exception as error:  # any error: unrecorded, it would be tried each minute and never given up
            log.warning("notification %d of cart %d by %s failed", *_named(claimed), exc_info=True)
            raise NotDelivered(f"the attempt failed: {type(error).__name__}") from error

    def _choose(self, due: Sequence[Notification]) -> tuple[list[Notification], list[Notification]]:
        """Those to deliver now, and those whose place or owner has as many deliveries as it may."""
        with self._lock:
            busy, owners = Counter(self._under_way), Counter(self._of_owners)
        chosen, crowded = [], []
        for found in due:
            place = place_of(found)
            if busy[place] >= self._policy.per_place or owners[found.owner] >= self._policy.per_owner:
                crowded.append(found)
            elif busy.total() < self._policy.slots:
                busy[place] += 1
                owners[found.owner] += 1
                chosen.append(found)
        return chosen, crowded

    def _begin(self, claimed: Notification) -> Future[None]:
        self._count(claimed, 1)
        return self._pool.submit(self._run, claimed, self._crowded)

    def _run(self, claimed: Notification, crowded: Crowded) -> None:
        try:
            while self.deliver(claimed) and (following := self._next(claimed, crowded)):
                claimed = following
        except Exception as error:  # its claim ends by itself
            log.warning("notification %d will be tried again: %s", claimed.id, error, exc_info=True)
        finally:
            self._count(claimed, -1)
            self._close()

    def _next(self, done: Notification, crowded: Crowded) -> Notification | None:
        """The next for this receiver, claimed; None if there is none, or when a new round has chosen among all."""
        waiting = crowded.get(_receiver(done), deque())
        with suppress(IndexError):  # another thread was faster
            while waiting and crowded is self._crowded and not self._stopped.is_set():
                if claimed := self._store.claim(waiting.popleft()):
                    return claimed
        return None

    def _count(self, claimed: Notification, by: int) -> None:
        with self._lock:
            for counter, key in ((self._under_way, place_of(claimed)), (self._of_owners, claimed.owner)):
                counter[key] += by
                if not counter[key]:
                    del counter[key]

    def _fail(self, claimed: Notification, error: str, after: float) -> None:
        policy = self._policy
        if self._clock() - claimed.created_at > policy.patience:
            self._give_up(claimed, error)
            return
        delay = max(after, min(policy.longest, policy.first * 2.0 ** min(claimed.attempts, 30)))
        self._store.failed(claimed, error, delay)
        log.info("notification %d of cart %d: %s; again in %.0f s", claimed.id, claimed.cart_id, error, delay)

    def _give_up(self, claimed: Notification, error: str) -> None:
        self._store.give_up(claimed, error)
        log.warning("notification %d of cart %d by %s was given up: %s", *_named(claimed), error)


def place_of(found: Notification) -> str:
    """What deliveries hold each other up at: the host of a webhook, else the channel."""
    if found.channel != "webhook":
        return found.channel
    return f"webhook {(urlsplit(found.target).hostname or '').rstrip('.')}"


def _receiver(found: Notification) -> tuple[str, str]:
    return place_of(found), found.owner


def _by_receiver(crowded: Sequence[Notification]) -> Crowded:
    found: Crowded = {}
    for one in crowded:
        found.setdefault(_receiver(one), deque()).append(one)
    return found


def _named(claimed: Notification) -> tuple[int, int, str]:
    return claimed.id, claimed.cart_id, claimed.channel
