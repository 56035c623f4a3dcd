"""Parsers of environment variables. Each raises ValueError that says what the text must be. Pure."""

from __future__ import annotations

import math
from pathlib import Path
from urllib.parse import urlsplit

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
LARGEST = (1 << 63) - 1  # that the database can count
TOO_LARGE = "is too large"


def text(value: str) -> str:
    return value


def folder(value: str) -> Path:
    if not Path(value).is_absolute():
        raise ValueError("must be an absolute path")
    return Path(value)


def positive(value: str) -> int:
    number = int(value)
    if number < 1:
        raise ValueError("must be at least 1")
    return number


def count(value: str) -> int:
    number = int(value)
    if number < 0:
        raise ValueError("must be a number, 0 or more")
    return _countable(number)


def port(value: str) -> int:
    number = int(value)
    if not 0 < number < 65536:
        raise ValueError("must be a port, 1 to 65535")
    return number


def address(value: str) -> str:
    """`host:port`; an IPv6 address in brackets."""
    host, separator, number = value.rpartition(":")
    if not (host and separator and number.isdigit() and 0 < int(number) < 65536):
        raise ValueError("must be host:port, such as 127.0.0.1:9108")
    return value


def seconds(value: str) -> float:
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError("must be a number of seconds, 0 or more")
    return number


def period(value: str) -> float:
    if seconds(value) == 0:
        raise ValueError("must be a number of seconds above 0")
    return float(value)


def days(value: str) -> float:
    number = float(value)
    if not math.isfinite(number) or number <= 0:
        raise ValueError("must be a number of days above 0")
    return number


def percent(value: str) -> float:
    number = float(value)
    if not 0 <= number < 100:
        raise ValueError("must be a percentage, 0 to 99")
    return number


def size(value: str) -> int:
    """Bytes, with an optional suffix K, M, G or T for powers of 1,024."""
    factors = {"K": KIB, "M": MIB, "G": GIB, "T": TIB}
    suffix = value[-1:].upper()
    number = int(value[:-1]) * factors[suffix] if suffix in factors else int(value)
    if number < 0:
        raise ValueError("must be a number of bytes, 0 or more")
    return _countable(number)


def part_size(value: str) -> int:
    if not 5 * MIB <= size(value) <= 5 * GIB:
        raise ValueError("must be 5M to 5G, the limits of S3 for a part")
    return size(value)


def url(value: str) -> str:
    """A URL, with or without scheme and trailing slash; returned with both."""
    whole = value if "://" in value else f"http://{value}"
    parts = urlsplit(whole)
    if any(character.isspace() for character in value):
        raise ValueError("must not contain whitespace")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be host:port/ or a http(s) URL")
    parts.port  # noqa: B018  raises ValueError for a bad port
    if parts.query or parts.fragment:
        raise ValueError("must not have a query or a fragment")
    return whole.rstrip("/") + "/"


def switch(value: str) -> bool:
    """True unless the value is an explicit no."""
    return value.strip().lower() not in ("0", "false", "no", "off")


def log_level(value: str) -> str:
    if value.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
    return value.upper()


def log_format(value: str) -> str:
    if value.lower() not in ("text", "json"):
        raise ValueError("must be text or json")
    return value.lower()


def _countable(number: int) -> int:
    if number > LARGEST:
        raise ValueError(TOO_LARGE)
    return number
