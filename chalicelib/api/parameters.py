"""Reads the parameters of a request's query."""

from __future__ import annotations

import json
from collections.abc import Mapping

from chalice.app import Request

from chalicelib.errors import BadRequest

LONGEST_WAIT = 20  # seconds
PAGE, LONGEST_PAGE = 1000, 10000  # files in one page of /files: by default, and at most


def query(request: Request, name: str) -> str | None:
    """The parameter's text, the last if it is given more than once; None without it."""
    parameters: Mapping[str, str] = request.query_params or {}
    return parameters.get(name)


def unambiguous(request: Request, name: str) -> str | None:
    """Like `query`. Raises BadRequest if it is given twice, with two values: a proxy may have checked only one."""
    parameters = request.query_params
    if parameters is None or name not in parameters:
        return None
    if len(set(parameters.getlist(name))) > 1:
        raise BadRequest(f"{name}: is given twice, with two values")
    return query(request, name)


def number(request: Request, name: str, default: int, most: int) -> int:
    """The parameter as a number, 0 to `most`. Raises BadRequest."""
    value = query(request, name)
    if value is None:
        return default
    digits = value.lstrip("0") or value[-1:]
    if not value.isascii() or not value.isdigit() or len(digits) > len(str(most)) or int(digits) > most:
        raise BadRequest(f"{name}: must be a number, 0 to {most} (it is {json.dumps(value[:40])})")
    return int(digits)


def file_page(request: Request) -> tuple[int, int]:
    """The page of /files that is asked for: after which position, and how many files at most. Raises BadRequest."""
    return number(request, "after", -1, 1 << 31), max(1, number(request, "limit", PAGE, LONGEST_PAGE))


def listed(request: Request, name: str) -> tuple[str, ...]:
    """The texts between the commas of a parameter; none without it, or if it is empty."""
    return tuple(part.strip() for part in (query(request, name) or "").split(",") if part.strip())
