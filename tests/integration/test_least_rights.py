"""Each process with a database user of its own, made by `dbusers`: its rights are enough, and no more than that."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import peewee
import pytest

from chalicelib.admin import command, database_users
from chalicelib.config.settings import load
from chalicelib.db import access_models, models, operating_models, rights, schema, volume_models
from chalicelib.db.database import Database, execute
from chalicelib.errors import CartNotFound, DatabaseUnavailable
from chalicelib.sharing import ShareRequest
from chalicelib.wiring import System, build
from infra.local.archive_simulator import RunningSimulator
from tests.callers import caller
from tests.integration import mariadb
from tests.integration.conftest import KEYS, Site
from tests.integration.worker_site import until

ALICE, BOB = caller("alice"), caller("bob")


@pytest.fixture(scope="module")
def owner(mysql: dict[str, str], aws: str) -> Iterator[dict[str, str]]:
    """The variables of the tables' owner, on an empty database; they are also set in this process."""
    with mariadb.new_database(mysql) as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL_SECRETS_MANAGER": aws, **variables}.items():
            patch.setenv(name, value)
        yield variables


@pytest.fixture(scope="module")
def logins(owner: dict[str, str]) -> dict[str, dict[str, str]]:
    """The variables of each process's database, after `dbusers`."""
    arns = {process: new_secret() for process in rights.PROCESSES}
    assert command.main(["dbusers", *(part for item in arns.items() for part in ("--secret", *item))]) == 0
    return {process: {**owner, "MYSQL_SECRET_ARN": arn, "MYSQL_USER": "nobody"} for process, arn in arns.items()}


def new_secret() -> str:
    """The ARN of a secret without a value, as Terraform makes it."""
    arn: str = boto3.client("secretsmanager").create_secret(Name=uuid.uuid4().hex)["ARN"]
    return arn


@pytest.fixture
def site(
    aws: str,
    logins: dict[str, dict[str, str]],
    simulator: RunningSimulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    """A system whose workers log in as theirs."""
    name = f"rights-{uuid.uuid4().hex[:12]}"
    for variable in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SQS"):
        monkeypatch.setenv(variable, aws)
    boto3.client("s3").create_bucket(Bucket=name)
    for queue in (name, f"{name}-dead"):
        boto3.client("sqs").create_queue(QueueName=queue)
    variables = {
        **KEYS,
        "AWS_ENDPOINT_URL_S3": aws,
        "AWS_ENDPOINT_URL_SQS": aws,
        "BUNDLE_BUCKET": name,
        "JOB_QUEUE": name,
    }
    variables |= {
        "VOLUME_PATH": str(tmp_path / "volume"),
        "ARCHIVE_INTERFACE_URL": simulator.url,
        "LEASE": "2",
        "ARCHIVE_PATIENCE": "1",
    }
    made = Site({**variables, **logins["workers"]}, simulator, tmp_path)
    yield made
    made.stop()


def system(site: Site, logins: dict[str, dict[str, str]], process: str, **more: str) -> System:
    return build(load({**site.variables, "SHARE_LINKS": "1", **logins[process], **more}))


def manifest(*names: str, told: str | None = None) -> bytes:
    notify = {"webhook": told} if told else None
    return json.dumps({"fileids": [{"id": name, "path": name} for name in names], "notify": notify}).encode()


def test_the_rights_are_enough_for_a_carts_whole_life(
    site: Site, owner: dict[str, str], logins: dict[str, dict[str, str]]
) -> None:
    site_owner = Database(load(owner))
    api, sweep = (
        system(site, logins, "api", NOTIFY_ALLOWED_HOSTS="localhost"),
        system(site, logins, "sweep", BUNDLE_TTL="0.001", HISTORY_DAYS="0.0000001"),
    )
    for name in ("foo", "bar"):
        site.put(name, name.encode() * 1000)
    worker = site.start_worker()
    site.system.notify_keys.publish("key", 60)
    api.service.create(ALICE, "made", manifest("foo", "bar", told="http://localhost:9999/1"))
    api.service.create(ALICE, "replaced", manifest("foo"))
    api.service.create(ALICE, "replaced", manifest("bar"))
    api.service.create(ALICE, "failing", manifest("missing"))
    until(lambda: {cart.state for cart in api.listing.page(ALICE, (), 1 << 62, 10).carts} == {"ready", "error"})

    api.service.create(ALICE, "made", manifest("foo", "bar", told="http://localhost:9999/2"))
    assert api.notify_keys.all() == ["key"]
    assert len([future.result(10) for future in worker.notifying.courier.round()]) == 2

    _, bundle = api.service.download(ALICE, "made", None)
    assert bundle is not None
    assert api.service.files(ALICE, "made", -1, 10).files
    assert api.service.status(ALICE, "failing").cart.message
    shared = api.sharing.share(ALICE, "made", ShareRequest(BOB.owner))
    assert api.shared_carts.find(BOB, shared.token).uid == "made"
    api.sharing.unshare(ALICE, "made", shared.share.id)
    assert api.sharing.shares(ALICE, "made") == []

    sweep.sweep.run()
    with pytest.raises(CartNotFound):
        api.service.find(ALICE, "replaced")  # its bundle has expired; made's URL is still valid
    api.service.delete(ALICE, "made")
    for statement in ("DELETE FROM jobs", "UPDATE carts SET cleared_at = 1"):  # as if its second clean-up were over
        with site_owner.session() as db:
            execute(db, statement)
    sweep.sweep.run()
    with site_owner.session() as db:
        assert execute(db, "SELECT COUNT(*) FROM carts WHERE live IS NULL").fetchone()[0] == 0


def test_an_uploaded_manifest_becomes_a_cart(site: Site, logins: dict[str, dict[str, str]]) -> None:
    api = system(site, logins, "api")
    site.put("foo", b"foo")
    slot = api.service.manifest_upload(ALICE, "uploaded")
    key = f"manifests/{slot.upload}"
    boto3.client("s3").put_object(Bucket=site.variables["BUNDLE_BUCKET"], Key=key, Body=manifest("foo"))
    api.service.create(ALICE, "uploaded", json.dumps({"manifest": "uploaded", "upload": slot.upload}).encode())
    site.start_worker()
    until(lambda: api.service.find(ALICE, "uploaded").state == "ready")
    system(site, logins, "sweep").sweep.run()


@pytest.mark.parametrize(
    ("process", "statement"),
    [
        ("api", "CREATE TABLE mine (id INTEGER)"),
        ("api", "ALTER TABLE carts ADD mine INTEGER"),
        ("api", "DELETE FROM audit_records"),
        ("api", "UPDATE audit_records SET actor = 'another'"),
        ("api", "SELECT * FROM audit_records"),
        ("api", "INSERT INTO access_tokens (owner, hash, scopes, created_at) VALUES ('me', 'x', 'admin', 0)"),
        ("api", "UPDATE access_tokens SET revoked_at = NULL"),
        ("api", "DELETE FROM carts"),
        ("api", "INSERT INTO schema_versions (version, applied_at) VALUES (9999, 0)"),
        ("sweep", "INSERT INTO carts (owner, uid) VALUES ('me', 'mine')"),
        ("sweep", "SELECT * FROM access_tokens"),
        ("sweep", "DELETE FROM entries"),
        ("workers", "SELECT * FROM access_tokens"),
        ("workers", "SELECT * FROM cart_shares"),
        ("workers", "DELETE FROM audit_records"),
        ("workers", "DELETE FROM carts"),
        ("workers", "DROP TABLE jobs"),
    ],
)
def test_the_rights_are_no_more_than_that(logins: dict[str, dict[str, str]], process: str, statement: str) -> None:
    assert denied(Database(load(logins[process])), statement)


@pytest.mark.parametrize("process", rights.PROCESSES)
def test_no_process_sees_another_database_or_the_servers_users(logins: dict[str, dict[str, str]], process: str) -> None:
    assert denied(Database(load(logins[process])), "SELECT * FROM mysql.user")


def denied(database: Database, statement: str) -> bool:
    try:
        with database.session() as db:
            execute(db, statement)
    except (DatabaseUnavailable, peewee.PeeweeException) as error:
        return "denied" in str(error)
    return False


def test_a_repeated_dbusers_keeps_the_passwords_and_takes_back_what_is_no_right(
    owner: dict[str, str], logins: dict[str, dict[str, str]]
) -> None:
    mariadb.run(owner, f"GRANT DELETE ON `{owner['MYSQL_DATABASE']}`.`audit_records` TO {rights.user_of('api')}")
    arn = logins["api"]["MYSQL_SECRET_ARN"]
    before = boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    assert command.main(["dbusers", "--secret", "api", arn]) == 0
    assert boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"] == before
    assert denied(Database(load(logins["api"])), "DELETE FROM audit_records")


def test_the_users_check_the_tables_without_the_right_to_change_any(logins: dict[str, dict[str, str]]) -> None:
    for login in logins.values():
        database = Database(load(login))
        schema.check(database)
        assert schema.sync(database) == []


@pytest.mark.usefixtures("owner")
def test_dbusers_says_what_a_secret_lacks_and_quotes_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    arn = new_secret()
    boto3.client("secretsmanager").put_secret_value(SecretId=arn, SecretString="hunter2")
    assert command.main(["dbusers", "--secret", "api", arn]) == 1
    said = capsys.readouterr().err
    assert "The secret of api is not JSON with a password." in said
    assert "hunter2" not in said


def test_without_mysql_dbusers_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MYSQL_HOST", raising=False)
    monkeypatch.setenv("SQLITE_PATH", str(tmp_path / "cart.db"))
    assert command.main(["dbusers", "--secret", "api", "arn"]) == 1
    assert database_users.NOT_MYSQL in capsys.readouterr().err


def test_dbgrants_prints_every_right(
    monkeypatch: pytest.MonkeyPatch, owner: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in owner.items():
        monkeypatch.setenv(name, value)
    assert command.main(["dbgrants"]) == 0
    printed = capsys.readouterr().out
    for process in rights.PROCESSES:
        assert all(statement in printed for statement in rights.grants(process, owner["MYSQL_DATABASE"]))


def test_every_table_has_a_line_of_rights() -> None:
    tables = {
        model._meta.table_name
        for module in (models, access_models, operating_models, volume_models)
        for model in vars(module).values()
        if isinstance(model, type) and issubclass(model, models.Table) and model is not models.Table
    }
    assert tables == rights.RIGHTS.keys()
