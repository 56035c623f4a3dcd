"""How a delivery ended when it did not succeed."""

from __future__ import annotations


class NotDelivered(Exception):
    """Try again: after the back-off, and not before `after` seconds. The message names no path and no secret."""

    def __init__(self, message: str, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


class NeverDelivered(Exception):
    """Do not try again."""
