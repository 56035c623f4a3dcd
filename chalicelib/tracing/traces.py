"""Makes the spans of carts. Off it does nothing; on it only hands them over, and never fails the work.

What a thread does for a cart is a span of its trace. The root is made by the thread that commits the cart's end, which
may be in the middle of such a span: that one then ends with the cart, as the POST begins with it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from chalicelib.tracing.spans import Attributes, Role, Span, TracedCart, Value

NOTHING: Attributes = {}

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Doing:
    """What a thread does now. `cart`: None while it is not known; of a request that makes none, it stays so.

    `begins` and `ends`: the cart's own times, which are the database's.
    """

    start: float
    cart: TracedCart | None
    attributes: dict[str, Value] = field(default_factory=dict)
    failed: str = ""
    begins: float | None = None
    ends: float | None = None

    def interval(self, now: float) -> tuple[float, float]:
        start = self.start if self.begins is None else self.begins
        end = now if self.ends is None else min(now, self.ends)
        return start, max(start, end)


class Traces:
    """Thread-safe."""

    def __init__(
        self,
        send: Callable[[Span], None] | None = None,
        close: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`send` takes a span without waiting; without it, traces are off. `close` waits a moment for what was sent."""
        self._send = send
        self.close = close
        self._clock = clock
        self._here = threading.local()

    @property
    def on(self) -> bool:
        return self._send is not None

    @contextmanager
    def doing(
        self, role: Role, name: str, cart: TracedCart | None = None, told: Attributes = NOTHING
    ) -> Iterator[Doing]:
        """What this thread does until the context ends. `told`: the span's attributes, as far as they are known."""
        now = Doing(self._clock() if self.on else 0.0, cart, dict(told))
        if not self.on:
            yield now
            return
        before, self._here.doing = getattr(self._here, "doing", None), now
        try:
            yield now
        finally:
            self._here.doing = before
            self._over(role, name, now)

    def posted(self, cart: TracedCart, at: float, told: Attributes = NOTHING) -> None:
        """This thread has committed a new cart, whose trace begins at this time."""
        now: Doing | None = getattr(self._here, "doing", None)
        if now is not None:
            now.cart, now.begins = cart, at
            now.attributes.update(told)

    def ended(self, cart: TracedCart, begun: float, at: float, failed: str = "", told: Attributes = NOTHING) -> None:
        """This thread has committed the end of a cart: here is the root of its trace."""
        now: Doing | None = getattr(self._here, "doing", None)
        if now is not None and now.cart == cart:
            now.ends = at
        self._emit(Span(cart, Role.ROOT, "cart", begun, max(begun, at), told, failed, cart.root_id))

    def _over(self, role: Role, name: str, done: Doing) -> None:
        if done.cart is None:
            return
        end = self._clock()
        if done.begins is not None:
            done.attributes["seconds"] = round(end - done.start, 3)  # the request began before its cart did
        self._emit(Span(done.cart, role, name, *done.interval(end), done.attributes, done.failed))

    def _emit(self, span: Span) -> None:
        try:
            if self._send is not None:
                self._send(span)
        except Exception as error:
            log.warning("a span of cart %d is lost: %s", span.cart.id, error)
