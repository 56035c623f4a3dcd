"""Double of chalicelib.stores.cart_history.CartHistoryStore."""

from __future__ import annotations


class MemoryCartHistory:
    """`rows`: cart, event and cause of everything that happened."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, str, str]] = []

    def record(self, cart_id: int, event: str, cause: str = "") -> None:
        self.rows.append((cart_id, str(event), cause))

    def count(self, cart_id: int, event: str) -> int:
        return sum(row[:2] == (cart_id, str(event)) for row in self.rows)
