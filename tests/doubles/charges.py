"""Charges of a world whose carts are nobody's: nothing counts, and nothing is refused.

What counts for owners is tested on both databases (tests/integration/test_owner_usage.py).
"""

from __future__ import annotations

from typing import Any

from chalicelib.stores.cart_charges import Charge


class Uncharged:
    """Double of CartCharges and of WindowCharges."""

    def uncharge(self, cart_id: int) -> Charge:
        return Charge()

    def why_not(self, *_: Any) -> str:
        return ""

    def give_back(self, *_: Any) -> None: ...

    def settle(self, *_: Any) -> None: ...

    def charge_entries(self, *_: Any) -> None: ...

    def charge_bundle(self, *_: Any) -> None: ...

    def give_back_bundle(self, *_: Any) -> None: ...

    def charge(self, *_: Any) -> None: ...
