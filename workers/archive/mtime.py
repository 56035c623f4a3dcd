"""A file's time as the archive sends it: epoch seconds with a fraction, or an HTTP date.

A time matters only to those who unpack the bundle; no byte depends on it. So no time is a reason to fail: one that the
database's BIGINT of nanoseconds cannot hold becomes the nearest second that it can, in 1677 or 2262.
"""

from __future__ import annotations

import re
from datetime import MAXYEAR, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_tz

SECOND = 10**9  # nanoseconds
LATEST = ((1 << 63) - 1) // SECOND * SECOND
EARLIEST = -LATEST

#: Its parts never compete for a digit: a header of 100 KiB would take minutes, with the whole worker held.
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1)
_LEAP_SECOND = 60


def parse_mtime(text: str) -> int | None:
    """Nanoseconds since the epoch, from EARLIEST to LATEST. None where `text` is no time."""
    try:
        seconds = Decimal(text) if _NUMBER.fullmatch(text) else _seconds_of_date(text)
    except (ValueError, TypeError, IndexError, ArithmeticError):
        return None
    # Compared before any arithmetic: 1e999999999 is a valid number.
    if seconds >= LATEST // SECOND:
        return LATEST
    return EARLIEST if seconds <= EARLIEST // SECOND else int(seconds * SECOND)


def _seconds_of_date(text: str) -> Decimal:
    """Raises ValueError and others where `text` is no date: parsedate_tz trusts it."""
    fields = parsedate_tz(text)
    if fields is None:
        raise ValueError("not a date")
    year, month, day, hour, minute, second, *_, zone = fields
    if year > MAXYEAR:
        return Decimal(LATEST)
    if second > _LEAP_SECOND:
        raise ValueError("not a time of day")
    moment = datetime(year, month, day, hour, minute) + timedelta(seconds=second)
    return Decimal((moment - _EPOCH) // timedelta(seconds=1) - (zone or 0))
