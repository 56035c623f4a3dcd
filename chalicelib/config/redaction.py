"""Keeps what gives access out of the log, wherever it is logged: by our code, a library at DEBUG, or a traceback.

A log is read by more people than may use the carts, and is often sent elsewhere. Every log record is redacted when it
is made, so it does not matter which handler and which format a server or Lambda's runtime has.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any

HIDDEN = "***"
#: A text without any of these, in lower case, has no secret; looking for them is ten times as fast as the pattern.
_MARKS = ("x-amz-s", "x-amz-c", "shared", "authorization", "bearer ", "basic ", "cart_", "eyj", "@")
#: Each names as a group what is kept before the secret.
_SECRETS = (
    # Presigned URLs, also as a parameter of another URL, and the headers of signed requests.
    r"(?P<signed>X-Amz-(?:Signature|Credential|Security-Token)(?:=|%3D|['\"]?: ?['\"]?|['\"], ['\"]))[^&\s'\"<>,;)]+",
    r"(?P<share>(?:/|%2F)-(?:/|%2F)shared(?:/|%2F))[^/?\#\s'\"<>,;)]+",
    # The header as a line, in a dict, or as a pair; a line's value goes on to its end.
    r"(?P<header>\bauthorization\b['\"]?[:=,] *(?:b?['\"])?)[^'\"\r\n]+",
    r"(?P<scheme>\b(?:Bearer|Basic) +)[A-Za-z0-9._~+/-]{16,}=*",
    r"(?P<cart>\bcart_)[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])",
    r"(?P<jwt>\beyJ)[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*",
    r"(?P<url>\b[a-z][a-z0-9+.-]{1,20}://)[^\s/?\#'\"<>@]+(?=@)",
)
_SECRET = re.compile("|".join(_SECRETS), re.IGNORECASE)
_TRACEBACK = logging.Formatter()
#: Names of fields whose values are hidden whatever they look like.
_SECRET_NAME = re.compile(r"authorization|password|passwd|secret$|(?:^|[-_])token$|signature|credential", re.IGNORECASE)


def redacted(text: str) -> str:
    """The text without tokens, signatures, passwords in URLs, and the addresses of shares."""
    lowered = text.lower()
    return _SECRET.sub(_kept, text) if any(mark in lowered for mark in _MARKS) else text


def redacted_value(name: str, value: Any) -> Any:
    """A field of a log line without what gives access, also where it lies deeper; numbers stay numbers."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): redacted_value(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted_value(name, inner) for inner in value]
    return HIDDEN if _SECRET_NAME.search(name) and value else redacted(str(value))


class RedactedRecord(logging.LogRecord):
    """A log record whose message, traceback and stack are redacted; log_formats.py redacts the other fields."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self.exc_info and self.exc_info[0] is not None:
            self.exc_text = redacted(_TRACEBACK.formatException(self.exc_info))  # formatters take it if it is there
        if self.stack_info:
            self.stack_info = redacted(self.stack_info)

    def getMessage(self) -> str:
        return redacted(super().getMessage())


def redact_logs() -> None:
    """From now on, in this process. What ends the process is logged, too, instead of being printed as it is."""
    logging.setLogRecordFactory(RedactedRecord)
    sys.excepthook = _log_uncaught


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger(__name__).critical("this process ends", exc_info=(kind, error, trace))


def _kept(match: re.Match[str]) -> str:
    return str(match[match.lastgroup or 0]) + HIDDEN
