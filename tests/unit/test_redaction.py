"""What gives access is hidden in every log line, whatever its form and wherever it is written."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.config import logs
from chalicelib.config.redaction import redacted
from chalicelib.stores.access_tokens import PREFIX, RANDOM

ROOT = Path(__file__).parents[2]
TOKEN = PREFIX + "Ab_-" * 10 + "xyz"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"
SIGNED = (
    "https://store/b/carts/7/1.tar?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAHUSH%2F20261126%2Fus-east-1"
    "&X-Amz-Date=20261126T000000Z&X-Amz-Security-Token=IQoJhush%2F%2B&X-Amz-Expires=60&X-Amz-Signature=hush0123"
)
HUSH = ("hush", "AKIAHUSH", TOKEN[5:], JWT[3:], "Ab_-Ab_-")


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What a handler that is not ours writes, with its own format."""
    stream = io.StringIO()
    handler, factory, level = logging.StreamHandler(stream), logging.getLogRecordFactory(), logging.getLogger().level
    hook = sys.excepthook
    logging.getLogger("another.library").addHandler(handler)
    logs.configure("DEBUG")
    yield stream
    logging.getLogger("another.library").removeHandler(handler)
    logging.setLogRecordFactory(factory)
    sys.excepthook = hook
    logging.getLogger().setLevel(level)


@pytest.mark.parametrize(
    "text",
    [
        SIGNED,
        SIGNED.replace("&", "%26").replace("=", "%3D"),
        SIGNED.lower(),
        "{'X-Amz-Security-Token': 'hush', 'a': 1}",
        "X-Amz-Security-Token: hush",
        "GET /-/shared/hush HTTP/1.1",
        "https://cart/-/shared/hush/files?limit=1",
        "?next=%2F-%2Fshared%2Fhush",
        "Authorization: Bearer hush",
        "authorization: Basic aHVzaDpodXNo and hush",
        "{'Authorization': 'Bearer hush', 'Accept': '*/*'}",
        '{"authorization":"hush"}',
        "[(b'authorization', b'Basic hush'), (b'host', b'a')]",
        "Authorization=AWS4-HMAC-SHA256 Credential=AKIAHUSH/x, SignedHeaders=host, Signature=hush",
        "Proxy-Authorization: Basic hush",
        f"sent Bearer {JWT}",
        f"sent Basic {'hush' * 5}==",
        f"the token {TOKEN} is not known",
        f"token={JWT}; next",
        "http://ada:hush@archive:8080/files/7",
        "mysql://hush@db",
        "amqp+x://a:hush@q/",
    ],
)
def test_what_gives_access_is_hidden(text: str) -> None:
    shown = redacted(f"before {text}")
    assert shown.startswith("before ")
    assert "***" in shown
    assert not [word for word in HUSH if word.lower() in shown.lower()]


@pytest.mark.parametrize(
    "text",
    [
        "This needs a login: send a valid Authorization header.",
        "cart cart_of_ada: 3 files staged from http://archive:8080/files/12@3?x=1",
        "mail ada@example.org, basic and bearer checks of cart_" + "a" * 60,
        "shared files of window 3; X-Amz-Date=20261126T000000Z; /-/carts?limit=5",
        "",
        "100 % of 5 files; {} %s",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert redacted(text) == text


def test_what_surrounds_a_secret_stays() -> None:
    shown = redacted(f"302 to {SIGNED} for ada")
    assert shown.startswith(
        "302 to https://store/b/carts/7/1.tar?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=***&"
    )
    assert shown.endswith("&X-Amz-Signature=*** for ada")
    assert redacted("GET /-/shared/hush/files HTTP/1.1") == "GET /-/shared/***/files HTTP/1.1"


def test_a_token_has_the_form_that_is_looked_for() -> None:
    assert len(TOKEN) - len(PREFIX) == (RANDOM * 8 + 5) // 6


def test_messages_arguments_and_tracebacks_of_any_library_are_redacted(logged: io.StringIO) -> None:
    log = logging.getLogger("another.library")
    log.debug("redirecting to %s", SIGNED)
    log.info("headers %r", {"Authorization": "Bearer hush"})
    try:
        try:
            raise ValueError(f"no answer from {SIGNED}")
        except ValueError as error:
            raise RuntimeError(f"refused {TOKEN}") from error
    except RuntimeError:
        log.exception("it failed for /-/shared/hush")
    log.warning("no error", exc_info=True)
    shown = logged.getvalue()
    assert "redirecting to https://store/b/carts/7/1.tar?" in shown
    assert "RuntimeError: refused cart_***" in shown
    assert "raise ValueError(" in shown, "the traceback is whole"
    assert not [word for word in HUSH if word in shown.replace('f"no answer from {SIGNED}"', "")]


def test_the_error_that_ends_a_process_is_redacted() -> None:
    program = f"""
from chalicelib.config import logs
logs.configure("INFO")
raise ValueError("no answer from http://ada:{"hush"}@archive/")
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "ValueError: no answer from http://***@archive/" in ended.stderr
    assert "hush" not in ended.stderr + ended.stdout


def test_the_requests_of_third_party_clients_are_not_logged_at_debug(logged: io.StringIO) -> None:
    for name in ("botocore.auth", "botocore.parsers", "boto3.resources", "urllib3.connectionpool"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO), "they log whole requests and secrets"
