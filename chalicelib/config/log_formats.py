"""The two forms of a log line: text for people, JSON for programs. Both carry the fields of the work, redacted."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from chalicelib.config.log_context import logged_fields
from chalicelib.config.redaction import redacted, redacted_value

TEXT = "%(asctime)s %(levelname)s %(threadName)s %(name)s %(message)s"
#: Attributes of a record -> fields of a line. The names are those of the lines that Lambda's own runtime writes.
FIELDS = {"levelname": "level", "name": "logger", "threadName": "thread", "message": "message"}
LAMBDAS = ("_frame_type", "tenant_id")  # what Lambda's runtime attaches to records for itself
_PLAIN = re.compile(r"[A-Za-z0-9._:/@+-]+")
#: Steers a terminal, is the end of a line to some programs, or cannot be encoded.
_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


class TextLines(logging.Formatter):
    """The fields of the work follow the message: `uid=a cart=7 job=12 request=...`, quoted where they need it."""

    def __init__(self) -> None:
        super().__init__(TEXT)

    def formatMessage(self, record: logging.LogRecord) -> str:
        fields = logged_fields()
        line = _UNSHOWN.sub(lambda found: repr(found[0])[1:-1], super().formatMessage(record))
        return (
            line if not fields else f"{line} {' '.join(f'{name}={_quoted(value)}' for name, value in fields.items())}"
        )


class JsonLines(JsonFormatter):
    """One JSON object a line: time, level, logger, thread, message, the work's fields, and what the call has added."""

    def __init__(self) -> None:
        super().__init__(list(FIELDS), rename_fields=FIELDS, reserved_attrs=[*RESERVED_ATTRS, *LAMBDAS], timestamp=True)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        stamp = log_data.pop("timestamp").isoformat(timespec="milliseconds").replace("+00:00", "Z")
        shown = {**logged_fields(), **log_data}
        return {"timestamp": stamp, **{name: redacted_value(name, value) for name, value in shown.items()}}

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        line = json.dumps(log_data, default=str, ensure_ascii=False)
        return _UNSHOWN.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


class OfAnotherHandler(logging.Formatter):
    """Our line for a handler of another library, which was formatted by `theirs`.

    Lambda's formatter for JSON marks the record, so that its handler sends the line as JSON: then it must be JSON.
    """

    def __init__(self, ours: logging.Formatter, theirs: logging.Formatter | None) -> None:
        super().__init__()
        self.theirs = theirs
        self._ours = ours
        self._json = JsonLines()

    def format(self, record: logging.LogRecord) -> str:
        if self.theirs is not None:
            self.theirs.format(record)
        ours = self._json if hasattr(record, "_frame_type") else self._ours
        return ours.format(record) + "\n"


def _quoted(value: str | int) -> str:
    text = redacted(str(value))
    return text if _PLAIN.fullmatch(text) else json.dumps(text)
