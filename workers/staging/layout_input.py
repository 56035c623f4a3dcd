"""What a cart's layout is made from, collected while its files are looked up."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

from chalicelib.stores.carts import Cart
from chalicelib.stores.entries import CartEntry
from workers.tar.headers import Member, member_length


@dataclass(slots=True)
class LayoutInput:
    """The cart's entries in order: 8 + 1 bytes per entry."""

    lengths: array[int] = field(default_factory=lambda: array("Q"))  # bytes in the bundle, with headers
    on_tape: bytearray = field(default_factory=bytearray)
    bytes_total: int = 0  # of the files themselves

    def add(self, cart: Cart, entries: Iterable[CartEntry]) -> None:
        """Append the cart's next entries, whose sizes are known."""
        for entry in entries:
            self.lengths.append(member_length(member_of(cart, entry)))
            self.on_tape.append(bool(entry.on_tape))
            self.bytes_total += entry.size


def member_of(cart: Cart, entry: CartEntry) -> Member:
    """The tar member that an entry becomes."""
    return Member(f"{cart.root}/{entry.path}", entry.size, entry.mtime_ns, entry.new_dirs)
