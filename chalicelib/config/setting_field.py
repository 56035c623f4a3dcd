"""One setting: a field that knows its environment variable."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from chalicelib.config.redaction import redacted

SECRET = ("MYSQL_PASSWORD", "ARCHIVE_TOKEN", "POLICY_TOKEN", "NOTIFY_SIGNING_KEY", "SMTP_URL")


def setting(env: str, parse: Callable[[str], Any], default: Any, doc: str) -> Any:
    """A field of Settings: its variable, parser (raises ValueError), default and effect."""
    metadata = {"env": env, "parse": parse, "doc": doc}
    return dataclasses.field(default=default, repr=env not in SECRET, metadata=metadata)


def shown(settings: Any) -> str:
    """Settings as text, without secrets and without passwords in addresses."""
    fields = (field.name for field in dataclasses.fields(settings) if field.repr)
    return redacted(f"{type(settings).__name__}({', '.join(f'{name}={getattr(settings, name)!r}' for name in fields)})")
