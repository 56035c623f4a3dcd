"""`doctor` names what is wrong within seconds: each dependency down, hanging, or wrongly named."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import pytest

from chalicelib.admin.check_database import database_checks
from chalicelib.admin.check_store import store_checks
from chalicelib.admin.checks import Check, run_checks
from chalicelib.admin.looking import store_of
from chalicelib.config.settings import load
from chalicelib.db.database import Database
from tests.integration.admin.carts import add_cart, add_job
from tests.integration.admin.conftest import ON_SQLITE, Done, Run
from tests.integration.conftest import KEYS

CLOSED = "127.0.0.1:1"
Doctor = Callable[..., Done]


@pytest.fixture(scope="module")
def archive() -> Iterator[str]:
    """Answers 200 to `GET /`."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/" else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture
def frozen() -> Iterator[str]:
    """host:port of a server that was stopped: connections are accepted, and nothing answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def doctor(run: Run, aws: str, archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """Runs `doctor` on a site that is well, apart from these variables; None unsets one."""
    name = f"site-{uuid.uuid4().hex[:12]}"
    (tmp_path / "volume").mkdir()
    well = {**KEYS, "AWS_ENDPOINT_URL_S3": aws, "AWS_ENDPOINT_URL_SQS": aws, "JOB_QUEUE": name, "BUNDLE_BUCKET": name}
    well |= {"ARCHIVE_INTERFACE_URL": archive, "VOLUME_PATH": str(tmp_path / "volume")}
    for variable, value in well.items():
        monkeypatch.setenv(variable, value)
    boto3.client("s3").create_bucket(Bucket=name)
    for queue in (name, f"{name}-dead"):
        boto3.client("sqs").create_queue(QueueName=queue)

    def running(*options: str, **variables: str) -> Done:
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
        return run("doctor", "--timeout", "20", *options)

    return running


def failed(done: Done) -> dict[str, str]:
    return {finding["name"]: finding["says"] for finding in done.json if not finding["ok"]}


def test_a_site_that_is_well_has_one_line_for_each_dependency(doctor: Doctor) -> None:
    done = doctor()
    assert (done.code, "FAILED" in done.out) == (0, False), done.out
    names = [line[:14].strip() for line in done.out.splitlines()]
    assert names == [
        *("settings", "database", "schema", "workers", "sweep", "waits", "queue", "dead letters"),
        *("bucket", "download URL", "lifecycle", "clock", "archive", "volume"),
    ]
    assert list(doctor("--json").json[0]) == ["name", "ok", "says", "do", "seconds"]
    bucket = os.environ["BUNDLE_BUCKET"]
    assert "Contents" not in boto3.client("s3").list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize(
    ("variables", "names", "words"),
    [
        ({"ARCHIVE_INTERFACE_URL": f"http://{CLOSED}/"}, {"archive"}, f"{CLOSED}/ cannot be reached"),
        (
            {"AWS_ENDPOINT_URL_S3": f"http://{CLOSED}"},
            {"bucket", "download URL", "lifecycle", "clock"},
            "Could not connect",
        ),
        ({"AWS_ENDPOINT_URL_SQS": f"http://{CLOSED}"}, {"queue", "dead letters"}, "did not answer"),
        ({"BUNDLE_BUCKET": "no-such-bucket"}, {"bucket", "download URL", "lifecycle"}, "no-such-bucket: NoSuchBucket"),
        ({"JOB_QUEUE": "no-such-queue"}, {"queue", "dead letters"}, "The queue no-such-queue refused"),
        ({"JOB_CONCURENCY": "8"}, {"settings"}, "did you mean JOB_CONCURRENCY?"),
        ({"VOLUME_PATH": "/no/such/volume"}, {"volume"}, "/no/such/volume does not exist"),
        ({"BUNDLE_PUBLIC_ENDPOINT": f"http://{CLOSED}"}, {"download URL"}, "cannot be reached"),
    ],
)
@ON_SQLITE
def test_what_is_wrong_is_named_alone(doctor: Doctor, variables: dict[str, str], names: set[str], words: str) -> None:
    done = doctor("--json", **variables)
    assert done.code == 3
    found = failed(done)
    assert (set(found), any(words in says for says in found.values())) == (names, True), found
    assert all(finding["do"] for finding in done.json if not finding["ok"])


@ON_SQLITE
def test_what_hangs_is_named_within_the_time_limit(doctor: Doctor, frozen: str) -> None:
    addresses = ("ARCHIVE_INTERFACE_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SQS")
    host, port = frozen.split(":")
    database = {"MYSQL_HOST": host, "MYSQL_PORT": port}
    done = doctor("--json", "--timeout", "0.5", **dict.fromkeys(addresses, f"http://{frozen}"), **database)
    found = failed(done)
    assert done.code == 3
    assert set(found) >= {"archive", "bucket", "queue", "database"}
    assert {found[name] for name in ("archive", "bucket", "queue", "database")} == {"no answer within 0.5 s: it hangs"}
    assert max(finding["seconds"] for finding in done.json) < 5


@ON_SQLITE
def test_bad_settings_are_findings_and_no_crash(doctor: Doctor) -> None:
    done = doctor("--json", LEASE="soon", PART_SIZE="1")
    assert done.code == 3
    assert [finding["says"].partition(":")[0] for finding in done.json] == ["PART_SIZE", "LEASE"]


@ON_SQLITE
def test_a_database_that_is_down_is_one_of_the_findings(doctor: Doctor) -> None:
    found = failed(doctor("--json", MYSQL_HOST="127.0.0.1", MYSQL_PORT="1"))
    assert set(found) == {"database", "schema", "workers", "sweep", "waits"}
    assert found["database"] == "The database cannot be reached."


@ON_SQLITE
def test_a_dependency_that_fails_for_jobs_alone_is_named(doctor: Doctor, database: Database) -> None:
    now = database.clock()
    waits: dict[str, Any] = {"waits_for": "archive", "due_at": now + 60}
    add_job(database, add_cart(database, "long"), **waits, waits_since=now - 40)
    add_job(database, add_cart(database, "short"), **waits, waits_since=now - 10, kind="recall")
    found = failed(doctor("--json"))
    assert found["waits"].startswith("1 window job waiting for archive, for 4")


def findings(checks: Iterator[Check], name: str) -> str:
    (found,) = run_checks([check for check in checks if check.name == name], 5.0)
    return "ok" if found.ok else found.says


@pytest.mark.usefixtures("doctor")
def test_a_wrong_clock_is_noticed_by_the_database_and_by_the_store(database_variables: dict[str, str]) -> None:
    settings = load(os.environ)
    store = store_of(settings)
    assert findings(database_checks(settings, lambda: time.time() + 100), "database").startswith(
        "its clock and this machine's differ by"
    )
    assert "s ahead of the store's" in findings(store_checks(store, settings, lambda: time.time() + 100), "clock")
    assert findings(store_checks(store, settings, time.time), "clock") == "ok"


@pytest.mark.usefixtures("doctor")
@ON_SQLITE
def test_a_rule_that_deletes_bundles_too_early_is_a_problem() -> None:
    bucket = os.environ["BUNDLE_BUCKET"]
    rule: Any = {"ID": "short", "Status": "Enabled", "Filter": {"Prefix": "carts/"}, "Expiration": {"Days": 3}}
    boto3.client("s3").put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    assert findings(store_checks(store_of(load(os.environ)), load(os.environ)), "lifecycle") == (
        "the rule short deletes bundles after 3 d, BUNDLE_TTL is 14 d"
    )
