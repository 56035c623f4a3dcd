"""One log format for every process, and no secrets in any log.

Every line carries the fields of its piece of work (log_context.py). Handlers that are there already keep writing where
they write and get our format: the one of Lambda's runtime is there before any code of ours.
"""

from __future__ import annotations

import logging

from chalicelib.config.log_formats import JsonLines, OfAnotherHandler, TextLines
from chalicelib.config.redaction import redact_logs

CHATTY = ("botocore", "boto3", "urllib3")  # at INFO they log where each of their settings comes from


def configure(level: str, log_format: str = "text") -> None:
    """`log_format`: `text` or `json`."""
    redact_logs()
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler())
    formatter = JsonLines() if log_format == "json" else TextLines()
    for handler in root.handlers:
        handler.setFormatter(_fitting(handler, formatter))
    root.setLevel(level)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


def _fitting(handler: logging.Handler, formatter: logging.Formatter) -> logging.Formatter:
    """Handlers of the standard library end a line themselves; that of Lambda's runtime leaves it to the formatter."""
    if isinstance(handler, logging.StreamHandler):
        return formatter
    theirs = handler.formatter
    return OfAnotherHandler(formatter, theirs.theirs if isinstance(theirs, OfAnotherHandler) else theirs)
