"""Types of the commands' arguments: names that are safe to store and print, times, and hashes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

from chalicelib.admin.operator import ACTOR

LONGEST = 255  # characters of a name in the database
LONGEST_WHY = 1024  # characters of a cart's message
UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400, "year": 365 * 86400}
LONGEST_SPAN = 1000 * UNITS["year"]
TAKEN = ("link", "*")  # in the `with` of a share, and in `?owner=`
LAST = 253402300799.0  # the last second of the year 9999, in UTC: there are no later dates to show
SHA256 = re.compile(r"[0-9a-f]{64}")
SPAN = re.compile(rf"(\d{{1,6}}(?:\.\d{{1,3}})?)\s*({'|'.join(UNITS)})s?", re.ASCII)


@dataclass(frozen=True, slots=True)
class When:
    """A span of time or a moment, in seconds; exactly one of them."""

    span: float | None = None
    moment: float | None = None

    def after(self, now: float) -> float:
        """The moment, or the end of a span that begins now."""
        return now + self.span if self.span is not None else self.moment or 0.0

    def before(self, now: float) -> float:
        """The moment, or the beginning of a span that ends now."""
        return now - self.span if self.span is not None else self.moment or 0.0


class WhenType(click.ParamType[When]):
    """`30 days`, or an ISO 8601 date, with or without a time; UTC, if no zone is given."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> When:
        if isinstance(value, When):
            return value
        if span := SPAN.fullmatch(value.strip()):
            seconds = float(span[1]) * UNITS[span[2]]
            return When(span=seconds) if seconds <= LONGEST_SPAN else self.fail(f"{value!r} is too long", param, ctx)
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            self.fail(
                f"{value!r} is neither like '30 days' nor like '2031-12-31' or '2031-12-31T12:00:00Z'", param, ctx
            )
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (zoned - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
        if seconds >= LAST:
            self.fail(f"{value!r} is too late", param, ctx)
        return When(moment=seconds)


class NameType(click.ParamType[str]):
    """A name of an owner or a group: visible characters and single spaces between them, not too long."""

    name = "NAME"

    def __init__(self, empty: bool = False) -> None:
        """`empty`: whether a name without characters is one."""
        self._empty = empty

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if problem := self._problem(value):
            self.fail(f"{value!r} {problem}", param, ctx)
        return str(value)

    def _problem(self, value: str) -> str | None:
        if not value and not self._empty:
            return "is empty"
        if len(value) > LONGEST:
            return f"has more than {LONGEST} characters"
        if value != value.strip():
            return "begins or ends with a space"
        if not value.isprintable():
            return "has characters that cannot be printed, such as a line feed"
        if value in TAKEN:
            return "means somebody else: everybody who has a link, or all owners"
        return f"begins with {ACTOR!r}, which marks operators in the audit" if value.startswith(ACTOR) else None


class WhyType(click.ParamType[str]):
    """A reason that clients and other operators read: one line, not empty, as long as the database keeps."""

    name = "TEXT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value).strip()
        if not text:
            self.fail("the reason is empty", param, ctx)
        if len(text) > LONGEST_WHY:
            self.fail(f"the reason has more than {LONGEST_WHY} characters", param, ctx)
        if not text.isprintable():
            self.fail("the reason has characters that cannot be printed, such as a line feed", param, ctx)
        return text


class HashType(click.ParamType[str]):
    """A SHA-256 in hexadecimal. Void is none: a script whose variable is not set must not pass."""

    name = "HASH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        found = str(value).strip().lower()
        return found if SHA256.fullmatch(found) else self.fail(f"{value!r} is not 64 hexadecimal digits", param, ctx)


WHEN, NAME, TEXT, WHY, HASH = WhenType(), NameType(), NameType(empty=True), WhyType(), HashType()
