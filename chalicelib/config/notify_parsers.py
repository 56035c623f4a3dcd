"""Parsers of the settings of notifications. Each raises ValueError that says what the text must be. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from chalicelib.config.parsers import url

KEY_PREFIX = "whsk_"
_ARN = re.compile(r"arn:[a-z0-9-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+")
_BUS = re.compile(r"arn:[a-z0-9-]+:events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9_./-]+|[A-Za-z0-9_./-]+")
_SENDER = re.compile(r"[!-~]+@[!-~]+")


def public_url(value: str) -> str:
    """With scheme and a slash at the end."""
    if "://" not in value or "@" in value:
        raise ValueError("must be a http(s) URL without a user")
    return url(value)


def signing_key(value: str) -> str:
    """`whsk_` and base64 of an ed25519 seed of 32 bytes, or of seed and public key."""
    try:
        size = len(base64.b64decode(value.strip().removeprefix(KEY_PREFIX), validate=True))
    except binascii.Error:
        size = 0
    if not value.startswith(KEY_PREFIX) or size not in (32, 64):
        raise ValueError("must be whsk_ and base64 of an ed25519 private key (docs/notifications.md)")
    return value.strip()


def smtp_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError("must be smtps://user:password@host:465 or smtp://host:587")
    parts.port  # noqa: B018  raises ValueError for a bad port
    return value


def sender(value: str) -> str:
    if not _SENDER.fullmatch(value):
        raise ValueError("must be a mail address alone")
    return value


def topic(value: str) -> str:
    if not _ARN.fullmatch(value):
        raise ValueError("must be the ARN of an SNS topic")
    return value


def event_bus(value: str) -> str:
    if not _BUS.fullmatch(value):
        raise ValueError("must be the name or ARN of an event bus")
    return value


def missing(values: Mapping[str, Any]) -> list[str]:
    """What a worker needs to tell anybody, by the attributes of Settings."""
    needs = {"notify_signing_key": "NOTIFY_SIGNING_KEY", "smtp_url": "SMTP_URL"}
    needs |= {"notify_topic": "NOTIFY_TOPIC_ARN", "notify_bus": "NOTIFY_EVENT_BUS"}
    problems = []
    if "public_url" not in values:
        problems += [f"PUBLIC_URL: is needed by {env}" for name, env in needs.items() if values.get(name)]
    if values.get("smtp_url") and not values.get("notify_mail_from"):
        problems.append("NOTIFY_MAIL_FROM: is needed by SMTP_URL")
    return problems
