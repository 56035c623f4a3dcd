"""What every log line of a piece of work carries: uid, owner, cart, job, request."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextvars import ContextVar, copy_context
from types import MappingProxyType
from typing import TypeVar

Result = TypeVar("Result")
Item = TypeVar("Item")

_NOTHING: Mapping[str, str | int] = MappingProxyType({})
_fields: ContextVar[Mapping[str, str | int]] = ContextVar("log_fields", default=_NOTHING)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


@contextlib.contextmanager
def logged_with(**fields: str | int) -> Iterator[None]:
    """Within this context, log lines of this thread carry these fields, too; void ones are left out."""
    token = _fields.set({**_fields.get(), **{name: value for name, value in fields.items() if value not in ("", 0)}})
    try:
        yield
    finally:
        _fields.reset(token)


def logged_fields() -> Mapping[str, str | int]:
    return _fields.get()


def current_request() -> str:
    """The id of the request that this work is done for; empty for none."""
    return str(_fields.get().get("request", ""))


def is_request_id(text: object) -> bool:
    """Whether this may be stored, logged and sent as the id of a request."""
    return isinstance(text, str) and _REQUEST_ID.fullmatch(text) is not None


def submit(pool: Executor, work: Callable[[Item], Result], item: Item) -> Future[Result]:
    """Submit work to another thread, whose log lines and requests then carry what those of this one do."""
    return pool.submit(copy_context().run, work, item)
