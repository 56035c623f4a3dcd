"""The real system in this process: SQLite or MariaDB, moto for S3 and SQS, the archive simulator."""

from __future__ import annotations

import dataclasses
import functools
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

from chalicelib.config.settings import load
from chalicelib.db import migrations
from chalicelib.db.database import Database
from chalicelib.stores.carts import UNFINISHED, Cart
from chalicelib.wiring import System, build
from infra.local.archive_simulator import RunningSimulator, running_simulator
from tests.integration import mariadb
from workers.files.volume import Volume
from workers.policies import policies_of
from workers.wiring import Worker, assemble

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="session", autouse=True)
def service_models_are_read_once() -> Iterator[None]:
    """For all sessions of boto3: each site builds its own, and parsing the models took a third of the time."""
    read = functools.cache(JSONFileLoader().load_file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: read(path))
        yield


@pytest.fixture(params=["sqlite", "mysql"])
def database_variables(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    # The tests' server has no TLS, and the driver prepares for it at every connection, for 30 ms of processor.
    monkeypatch.setattr("pymysql.connections.SSL_ENABLED", False)
    if request.param == "sqlite":
        yield {"SQLITE_PATH": str(tmp_path / "cart.db")}
        return
    with mariadb.new_database(request.getfixturevalue("mysql")) as variables:
        yield variables


@pytest.fixture
def database(database_variables: dict[str, str]) -> Iterator[Database]:
    """A migrated database."""
    made = Database(load(database_variables))
    migrations.sync(made)
    yield made
    made.close()


@pytest.fixture
def mysql_database(mysql: dict[str, str]) -> Iterator[Database]:
    with mariadb.new_database(mysql) as variables:
        made = Database(load(variables))
        migrations.sync(made)
        yield made
        made.close()


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[RunningSimulator]:
    (tmp_path / "archive").mkdir()
    with running_simulator(tmp_path / "archive") as running:
        yield running


def tuned(policies: Any, overrides: dict[str, Any]) -> Any:
    """The policies with some values replaced."""
    values = {
        name: tuned(getattr(policies, name), value) if isinstance(value, dict) else value
        for name, value in overrides.items()
    }
    return dataclasses.replace(policies, **values)


@dataclass
class Site:
    """A whole system on one database: start workers on it, post carts, look at what became of them."""

    variables: dict[str, str]
    simulator: RunningSimulator
    folder: Path
    #: policies of the workers that differ from those of the settings, by name; those of a group in a dict
    policies: dict[str, Any] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)
    #: of the workers, where it is not that of the settings
    volume: Volume | None = None

    def __post_init__(self) -> None:
        self.system: System = self.built()
        migrations.sync(self.system.database)

    def built(self, **more: str) -> System:
        return build(load(self.variables | more, worker=True))

    def start_worker(self, **more: str) -> Worker:
        system = self.built(**more)
        worker = assemble(system, tuned(policies_of(system.settings), self.policies), self.volume)
        thread = threading.Thread(target=worker.consumer.run, daemon=True)
        thread.start()
        self.workers.append(worker)
        self.threads.append(thread)
        return worker

    def stop(self) -> None:
        for worker in self.workers:
            worker.consumer.stop()
            worker.consumer.drain(5)
            worker.archive.close()
        self.workers.clear()

    def put(self, name: str, content: bytes) -> None:
        """Put a file into the archive."""
        (self.folder / "archive" / name).write_bytes(content)

    def wait(self, uid: str, within: float = 30.0) -> Cart:
        """The cart once it is ready or in error."""
        deadline = time.monotonic() + within
        while (cart := self.system.service.find("", uid)).state in UNFINISHED:
            assert time.monotonic() < deadline, f"cart {uid} is still {cart.state}"
            time.sleep(0.03)
        return cart

    def bundle(self, uid: str) -> bytes:
        """The bundle's bytes, as the store has them."""
        cart = self.system.service.find("", uid)
        s3 = boto3.client("s3", endpoint_url=self.variables["AWS_ENDPOINT_URL_S3"])
        answer: Any = s3.get_object(Bucket=self.variables["BUNDLE_BUCKET"], Key=f"carts/{cart.id}/{cart.attempt}.tar")
        body: bytes = answer["Body"].read()
        return body

    def stored(self) -> list[str]:
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
    """Makes the site, with further variables and other policies of its workers."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    ours = {**KEYS, "AWS_ENDPOINT_URL_S3": aws, "AWS_ENDPOINT_URL_SQS": aws}
    for variable, value in ours.items():
        monkeypatch.setenv(variable, value)
    boto3.client("s3").create_bucket(Bucket=name)
    boto3.client("sqs").create_queue(QueueName=name)
    paths = {"VOLUME_PATH": str(tmp_path / "volume"), "ARCHIVE_INTERFACE_URL": simulator.url}
    sites: list[Site] = []

    def make(policies: dict[str, Any] | None = None, **more: str) -> Site:
        sites.append(
            Site(
                {**ours, **paths, **database_variables, "BUNDLE_BUCKET": name, "JOB_QUEUE": name, **more},
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
    """A volume of 20 MiB, less 5 %, and windows of 5 MiB."""
    return site_of({"workers_stopped_after": 3.5}, VOLUME_LIMIT="20M", PART_SIZE="5M", WINDOW_SIZE="5M", LEASE="3")
