"""Which body a client asks for in `Accept`. Pure."""

from __future__ import annotations

import re

QUALITY = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)


def preferred(header: str, offered: tuple[str, ...]) -> str | None:
    """The type of `offered` that the header names and likes best, the first of equals.

    None if it names none of them, or likes `*/*` better: only who asks for a type by name gets a body of it.
    """
    best, found = 0.0, None
    for part in header.split(","):
        kind, _, parameters = part.partition(";")
        kind, quality = kind.strip().lower(), _quality(parameters)
        if kind in offered and quality > best:
            best, found = quality, kind
    return None if _anything(header) > best else found


def _anything(header: str) -> float:
    parts = [part.partition(";") for part in header.split(",")]
    return max((_quality(parameters) for kind, _, parameters in parts if kind.strip() == "*/*"), default=0.0)


def _quality(parameters: str) -> float:
    """1 if there is none, 0 if it is not a number from 0 to 1."""
    given = [part.strip() for part in parameters.split(";") if part.strip().lower().startswith("q=")]
    if not given:
        return 1.0
    match = QUALITY.fullmatch(given[0])
    return float(match[1]) if match else 0.0
