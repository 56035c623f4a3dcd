"""One API for the tests of this folder, on SQLite and moto, and carts in any state without a worker."""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

import app
import asgi
import wsgi
from chalicelib.api import asgi_application
from chalicelib.api.wsgi_adapter import Application
from chalicelib.aws.bundle_store import key_of
from chalicelib.caller import Caller
from chalicelib.config.settings import load
from chalicelib.db.models import Carts
from chalicelib.stores.cart_row import Cart, CartState
from chalicelib.wiring import System, build
from tests.callers import ANYONE, caller
from tests.integration.api.logins import NamedLogins
from tests.integration.api.transports import Answer, OverASGI, OverLambda, OverWSGI, Transport
from tests.integration.conftest import KEYS

MANIFEST = {"fileids": [{"id": 1, "path": "a/foo.txt"}, {"id": "two", "path": "bar.csv"}]}
BUNDLE = b"the bundle's bytes" * 100
CHECKSUM = "AAAAAAAAAAA="  # in the store's format; no test compares it
TRANSPORTS = ("asgi", "wsgi", "lambda", "lambda in base64")


class Carter:
    """Makes carts in any state, each under a new uid."""

    def __init__(self, system: System, caller: Caller = ANYONE) -> None:
        self.system = system
        self.caller = caller

    def waiting(self, manifest: dict[str, Any] | None = None) -> str:
        uid = new_uid()
        self.system.service.create(self.caller, uid, json.dumps(manifest or MANIFEST).encode())
        return uid

    def staging(self) -> str:
        uid = self.waiting()
        cart = self.find(uid)
        assert self.system.carts.begin_staging(cart.id)
        layout = {"part_size": 5 << 20, "bytes_total": 40, "windows_total": 1, "bundle_size": 3584, "upload_id": ""}
        assert self.system.database.transaction(lambda: self.system.carts.record_layout(cart, **layout))
        return uid

    def bundling(self) -> str:
        uid = self.staging()
        cart = self.find(uid)
        self.system.database.transaction(lambda: self.system.carts.count_window_staged(cart, 2, 40))
        return uid

    def ready(self, body: bytes = BUNDLE) -> str:
        uid = self.bundling()
        self.finish(uid, body)
        return uid

    def finish(self, uid: str, body: bytes = BUNDLE) -> None:
        cart = self.find(uid)
        bucket, key = self.system.settings.bundle_bucket, key_of(cart.id, cart.attempt)
        etag = boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body)["ETag"].strip('"')
        assert self.system.database.transaction(lambda: self.system.carts.mark_ready(cart, len(body), etag, CHECKSUM))

    def error(self, message: str = "bar.csv: the archive has no file two (1 of 2 files failed)") -> str:
        uid = self.staging()
        self.fail(uid, message)
        return uid

    def fail(self, uid: str, message: str) -> None:
        cart = self.find(uid)
        assert self.system.database.transaction(lambda: self.system.endings.fail(cart.id, message))

    def expired(self) -> str:
        uid = self.ready()
        self.expire(uid)
        return uid

    def expire(self, uid: str) -> None:
        with self.system.database.session() as db:
            expired = {"state": CartState.EXPIRED, "expired_at": self.system.database.now}
            Carts.update(**expired).where(Carts.uid == uid, Carts.owner == self.caller.owner).execute(db)

    def deleted(self) -> str:
        uid = self.ready()
        self.system.service.delete(self.caller, uid)
        return uid

    def unknown(self) -> str:
        return new_uid()

    def find(self, uid: str) -> Cart:
        return self.system.service.find(self.caller, uid)

    def of(self, owner: str) -> Carter:
        """Makes carts of this owner."""
        return Carter(self.system, caller(owner))

    def count(self) -> int:
        """The number of cart rows, ended ones included."""
        with self.system.database.session() as db:
            return int(Carts.select().count(db))


class Statements(logging.Handler):
    """Counts the statements that peewee logs."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        logged: Any = record.msg
        self.ran.append(logged[0])


def new_uid() -> str:
    return uuid.uuid4().hex


@pytest.fixture(scope="package")
def variables(aws: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The API's environment, also set in this process."""
    name = f"api-{uuid.uuid4().hex[:12]}"
    path = tmp_path_factory.mktemp("api") / "cart.db"
    environ = {**KEYS, "AWS_ENDPOINT_URL_S3": aws, "AWS_ENDPOINT_URL_SQS": aws, "SQLITE_PATH": str(path)}
    environ |= {"BUNDLE_BUCKET": name, "JOB_QUEUE": name, "MAX_BODY": "1M"}
    # A few owners make all the carts here; test_limits.py has limits of its own.
    environ |= {"LIMIT_CARTS": "5000", "LIMIT_UPLOADS": "0", "LIMIT_POSTS": "0"}
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in environ.items():
            patch.setenv(variable, value)
        for variable in ("MYSQL_HOST", "MYSQL_PORT", "AWS_LAMBDA_FUNCTION_NAME"):
            patch.delenv(variable, raising=False)
        boto3.client("s3").create_bucket(Bucket=name)
        boto3.client("sqs").create_queue(QueueName=name)
        yield environ


@pytest.fixture(scope="package")
def application(variables: dict[str, str]) -> Iterator[Application]:
    for cached in (app.system, app.max_body):
        cached.cache_clear()
    yield wsgi.application()
    for cached in (app.system, app.max_body):
        cached.cache_clear()


@pytest.fixture(scope="package")
def asgi_app(application: Application) -> Iterator[asgi_application.Application]:
    asgi._application.cache_clear()
    yield asgi.application
    asgi._application.cache_clear()


@pytest.fixture(scope="package")
def carts(application: Application) -> Iterator[Carter]:
    system = build(load(os.environ))
    yield Carter(system)
    system.database.close()


@pytest.fixture(params=TRANSPORTS)
def call(request: pytest.FixtureRequest, application: Application, asgi_app: asgi_application.Application) -> Transport:
    """Each transport: the tests of the wire protocol run over all of them."""
    if request.param == "asgi":
        return OverASGI(asgi_app)
    if request.param == "wsgi":
        return OverWSGI(application)
    return OverLambda(binary=request.param == "lambda in base64")


@pytest.fixture(params=["asgi", "wsgi", "lambda"])
def configured(
    request: pytest.FixtureRequest, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Transport]]:
    """Calls the API with more settings."""

    def forget() -> None:
        for cached in (app.system, app.max_body, asgi._application):
            cached.cache_clear()

    def make(**settings: str) -> Transport:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        forget()
        kinds: dict[str, Any] = {
            "asgi": lambda: OverASGI(asgi.application),
            "wsgi": lambda: OverWSGI(wsgi.application()),
        }
        found: Transport = kinds.get(request.param, OverLambda)()
        return found

    yield make
    monkeypatch.undo()
    forget()


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request needs a login: its Authorization header names the caller, see NamedLogins."""
    monkeypatch.setattr(app.app, "_authenticator", NamedLogins)


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """The SQL that has run; it may be cleared."""
    counter, logger = Statements(), logging.getLogger("peewee")
    level = logger.level
    logger.addHandler(counter)
    logger.setLevel(logging.DEBUG)
    yield counter.ran
    logger.setLevel(level)
    logger.removeHandler(counter)


@pytest.fixture(params=["asgi", "wsgi"])
def over_http(
    request: pytest.FixtureRequest, application: Application, asgi_app: asgi_application.Application
) -> Transport:
    """The transports that take any path and any bytes."""
    return OverASGI(asgi_app) if request.param == "asgi" else OverWSGI(application)


def check_head(answer: Answer, status: int, state: str, message: str = "") -> None:
    """Check what every response to HEAD has."""
    assert answer.status == status
    assert answer.body == b""
    assert answer.headers["x-pacifica-status"] == state
    assert answer.headers["x-pacifica-message"] == message
