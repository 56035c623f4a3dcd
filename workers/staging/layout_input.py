"""What a cart's layout is made from, collected while its files are looked up."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

from chalicelib.manifest.checksum_file import sums_path
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.entries import CartEntry
from workers.tar.checksum_lines import line_length
from workers.tar.headers import Member, member_length


@dataclass(slots=True)
class LayoutInput:
    """The cart's entries in order: 8 + 1 bytes per entry."""

    lengths: array[int] = field(default_factory=lambda: array("Q"))  # bytes in the bundle, with headers
    on_tape: bytearray = field(default_factory=bytearray)
    bytes_total: int = 0  # of the files themselves
    sums_length: int = 0  # bytes of the bundle's checksum file, if it has one

    def add(self, cart: Cart, entries: Iterable[CartEntry]) -> None:
        """Append the cart's next entries, whose sizes are known."""
        for entry in entries:
            self.lengths.append(member_length(member_of(cart, entry)))
            self.on_tape.append(bool(entry.on_tape))
            self.bytes_total += entry.size
            if cart.sums:
                self.sums_length += line_length(cart.sums, entry.path)


def member_of(cart: Cart, entry: CartEntry) -> Member:
    """The tar member that an entry becomes."""
    return Member(f"{cart.root}/{entry.path}", entry.size, entry.mtime_ns, entry.new_dirs)


def sums_member(cart: Cart, length: int) -> Member:
    """The member that the bundle's checksum file becomes. Its time is fixed, so that equal files give equal bytes."""
    return Member(f"{cart.root}/{sums_path(cart.sums)}", length, 0, 0)
