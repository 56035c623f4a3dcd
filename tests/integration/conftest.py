"""The whole system in the test's process, on SQLite or MariaDB, moto (S3 and SQS) and the archive simulator."""

from __future__ import annotations

import dataclasses
import functools
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.loaders import JSONFileLoader
from moto.sqs.models import Queue

from chalicelib.config.settings import load
from chalicelib.db import schema
from chalicelib.db.database import Database
from chalicelib.stores.cart_row import UNFINISHED, Cart
from chalicelib.wiring import System, build
from infra.local.archive_simulator import RunningSimulator, running_simulator
from tests.callers import ANYONE
from tests.integration import mariadb
from workers.files.volume import Volume
from workers.policies import policies_of
from workers.wiring import Worker, assemble

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="session", autouse=True)
def service_models_are_read_once() -> Iterator[None]:
    """Share parsed service models among boto3 sessions: each site has its own, and parsing took a third of the time."""
    read = functools.cache(JSONFileLoader().load_file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: read(path))
        yield


@pytest.fixture(scope="session", autouse=True)
def delayed_messages_arrive_on_time() -> Iterator[None]:
    """A long poll of moto notices a message whose delay has ended only once a second; SQS does at once."""
    wait: Any = Queue.wait_for_messages  # takes whole seconds, by its annotation
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Queue, "wait_for_messages", lambda queue, _: wait(queue, 0.05))
        yield


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """On which databases a test runs, if it does not say so itself.

    Tests of a whole site take seconds each, so they run on one: MariaDB, or SQLite where there is none. What differs
    between the two is tested on both: the stores by contracts, and all that needs nothing but a database. The
    end-to-end tests, the API's and `make run` are on SQLite. BOTH_DATABASES=1 runs all on both.
    """
    marks = metafunc.definition.iter_markers("parametrize")
    if "database_variables" not in metafunc.fixturenames or any("database_variables" in m.args[0] for m in marks):
        return
    databases = ["sqlite", "mysql"]
    if "site_of" in metafunc.fixturenames and not os.environ.get("BOTH_DATABASES"):
        databases = ["mysql" if mariadb.can_start() else "sqlite"]
    metafunc.parametrize("database_variables", databases, indirect=True)


@pytest.fixture
def database_variables(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    if request.param == "sqlite":
        yield {"SQLITE_PATH": str(tmp_path / "cart.db")}
        return
    with mariadb.new_database(request.getfixturevalue("mysql")) as variables:
        yield variables


@pytest.fixture
def database(database_variables: dict[str, str]) -> Iterator[Database]:
    """A migrated database."""
    migrated = Database(load(database_variables))
    schema.sync(migrated)
    yield migrated
    migrated.close()


@pytest.fixture
def mysql_database(mysql: dict[str, str]) -> Iterator[Database]:
    with mariadb.new_database(mysql) as variables:
        migrated = Database(load(variables))
        schema.sync(migrated)
        yield migrated
        migrated.close()


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[RunningSimulator]:
    (tmp_path / "archive").mkdir()
    with running_simulator(tmp_path / "archive") as running:
        yield running


def tuned(policies: Any, overrides: dict[str, Any]) -> Any:
    """A copy of the policies with these values; a group of policies is a dict of its own."""
    values = {
        name: tuned(getattr(policies, name), value) if isinstance(value, dict) else value
        for name, value in overrides.items()
    }
    return dataclasses.replace(policies, **values)


@dataclass
class Site:
    """A whole system on one database: starts workers, and reads carts, bundles and the store."""

    variables: dict[str, str]
    simulator: RunningSimulator
    folder: Path
    #: overrides of the workers' policies, as for `tuned`
    policies: dict[str, Any] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)
    #: replaces the workers' volume, which otherwise comes from the settings
    volume: Volume | None = None

    def __post_init__(self) -> None:
        self.system: System = self.build_system()
        schema.sync(self.system.database)

    def build_system(self, **more: str) -> System:
        return build(load(self.variables | more, worker=True))

    def start_worker(self, **more: str) -> Worker:
        system = self.build_system(**more)
        worker = assemble(system, tuned(policies_of(system.settings), self.policies), self.volume)
        thread = threading.Thread(target=worker.consumer.run, daemon=True)
        thread.start()
        self.workers.append(worker)
        self.threads.append(thread)
        return worker

    def stop(self) -> None:
        for worker in self.workers:
            worker.consumer.stop()
        for worker in self.workers:
            worker.consumer.drain(5)
            worker.archive.close()
        self.workers.clear()

    def put(self, name: str, content: bytes) -> None:
        """Put a file into the archive's folder."""
        (self.folder / "archive" / name).write_bytes(content)

    def wait(self, uid: str, within: float = 30.0) -> Cart:
        """Wait until the cart is ready or in error, at most `within` seconds, and return it."""
        deadline = time.monotonic() + within
        while (cart := self.system.service.find(ANYONE, uid)).state in UNFINISHED:
            assert time.monotonic() < deadline, f"cart {uid} is still {cart.state}"
            time.sleep(0.03)
        return cart

    def bundle(self, uid: str) -> bytes:
        """The bundle's bytes from the store."""
        cart = self.system.service.find(ANYONE, uid)
        s3 = boto3.client("s3", endpoint_url=self.variables["AWS_ENDPOINT_URL_S3"])
        response: Any = s3.get_object(Bucket=self.variables["BUNDLE_BUCKET"], Key=f"carts/{cart.id}/{cart.attempt}.tar")
        body: bytes = response["Body"].read()
        return body

    def stored(self) -> list[str]:
        """Keys of the objects in the bundle bucket."""
        s3 = boto3.client("s3", endpoint_url=self.variables["AWS_ENDPOINT_URL_S3"])
        listed: Any = s3.list_objects_v2(Bucket=self.variables["BUNDLE_BUCKET"])
        return [item["Key"] for item in listed.get("Contents", [])]


@pytest.fixture
def site_of(
    aws: str,
    database_variables: dict[str, str],
    simulator: RunningSimulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Site]]:
    """Makes a site with these overrides of its workers' policies and these settings."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    aws_variables = {**KEYS, "AWS_ENDPOINT_URL_S3": aws, "AWS_ENDPOINT_URL_SQS": aws}
    for variable, value in aws_variables.items():
        monkeypatch.setenv(variable, value)
    boto3.client("s3").create_bucket(Bucket=name)
    boto3.client("sqs").create_queue(QueueName=name)
    paths = {"VOLUME_PATH": str(tmp_path / "volume"), "ARCHIVE_INTERFACE_URL": simulator.url}
    sites: list[Site] = []

    def make(policies: dict[str, Any] | None = None, **more: str) -> Site:
        sites.append(
            Site(
                {**aws_variables, **paths, **database_variables, "BUNDLE_BUCKET": name, "JOB_QUEUE": name, **more},
                simulator,
                tmp_path,
                policies or {},
            )
        )
        return sites[-1]

    yield make
    for site in sites:
        site.stop()


@pytest.fixture
def site(site_of: Callable[..., Site]) -> Site:
    return site_of()


@pytest.fixture
def small(site_of: Callable[..., Site]) -> Site:
    """A site whose volume holds 20 MiB less 5 %, with windows of 5 MiB."""
    return site_of({"workers_stopped_after": 1.0}, VOLUME_LIMIT="20M", PART_SIZE="5M", WINDOW_SIZE="5M", LEASE="3")
