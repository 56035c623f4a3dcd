"""What acts of an operator come to. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chalicelib.errors import CartError


class NotDone(CartError):
    """The act was not done."""


class Outcome(StrEnum):
    """`restarted`: a failed cart begins again. `retried`: what waited is looked at again now."""

    RESTARTED = "restarted"
    RETRIED = "retried"
    FAILED = "failed"
    DELETED = "deleted"
    NOTHING = "nothing"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class CartAct:
    """What an act did to one cart. `cart`: its row's id, 0 if there is none; `said`: a sentence for the operator."""

    owner: str
    uid: str
    cart: int
    outcome: Outcome
    said: str
