"""Both databases behave as the product needs: migrations, strictness, collation, time, retries."""

from __future__ import annotations

import dataclasses
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import peewee
import pytest

from chalicelib.admin import command, operator
from chalicelib.config.settings import load
from chalicelib.db import schema
from chalicelib.db.database import Database, execute
from chalicelib.db.models import Carts, Jobs, Table
from chalicelib.db.volume_models import StagedFiles
from chalicelib.errors import CartNotFound, DatabaseUnavailable, InvalidManifest, SchemaOutdated, TransientError
from chalicelib.stores.carts import CartStore, LiveCartExists
from chalicelib.stores.job_row import JobKind
from tests.callers import ANYONE
from tests.integration.posting import Posting, body
from tests.manifests import read

ROOT = Path(__file__).parents[2]
DBSYNC = (sys.executable, "-m", "chalicelib.admin", "dbsync")


@pytest.fixture
def posting(database: Database) -> Posting:
    return Posting(database)


@pytest.fixture
def run(
    database_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], tuple[int, str]]:
    """Runs one of the operator's commands; its exit code and output."""
    for name, value in database_variables.items():
        monkeypatch.setenv(name, value)

    def running(name: str) -> tuple[int, str]:
        code = command.main([name])
        output = capsys.readouterr()
        return code, output.out + output.err

    return running


def test_ten_processes_may_migrate_at_once(database_variables: dict[str, str]) -> None:
    processes = [
        subprocess.Popen(DBSYNC, cwd=ROOT, env=database_variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(10)
    ]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 10, outputs
    idle = [out for out, _ in outputs if out.startswith(b"applied 0 ")]
    assert len(idle) == 9
    schema.check(Database(load(database_variables)))


def test_missing_tables_count_as_outdated(run: Callable[[str], tuple[int, str]]) -> None:
    code, output = run("dbchk")
    assert (code, "dbsync" in output) == (1, True)
    assert run("dbsync")[0] == 0
    assert run("dbchk")[0] == 0
    assert run("dbsync")[0] == 0


def test_the_database_is_named_but_not_its_password(
    run: Callable[[str], tuple[int, str]], database_variables: dict[str, str]
) -> None:
    _, output = run("dbsync")
    if host := database_variables.get("MYSQL_HOST"):
        name = f"database {database_variables['MYSQL_DATABASE']} at {host}:{database_variables['MYSQL_PORT']}"
    else:
        name = f"SQLite database {database_variables['SQLITE_PATH']}"
    assert output.splitlines().count(f"using {name}") == 1
    secret = database_variables.get("MYSQL_PASSWORD")
    assert not secret or secret not in output


def test_a_database_that_nobody_named_is_said_to_be_the_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("MYSQL_HOST", "SQLITE_PATH", "DATABASE_PORT_3306_TCP_ADDR"):
        monkeypatch.delenv(name, raising=False)
    unset = dataclasses.replace(load({}), sqlite_path=tmp_path / "cart.db")  # not the default, which other runs share
    monkeypatch.setattr(operator, "load", lambda environ: unset)
    command.main(["dbsync"])
    assert f"{tmp_path}/cart.db (neither MYSQL_HOST nor SQLITE_PATH is set)" in capsys.readouterr().err


def test_outdated_tables_are_refused_and_can_be_migrated(database: Database) -> None:
    with database.session() as db:
        execute(db, f"DELETE FROM schema_versions WHERE version > {max(schema.available()) - 1}")
    with pytest.raises(SchemaOutdated):
        schema.check(database)
    assert schema.sync(database) == [max(schema.available())]
    schema.check(database)


def test_newer_tables_are_accepted(database: Database) -> None:
    with database.session() as db:
        execute(db, "INSERT INTO schema_versions (version, applied_at) VALUES (9999, 0)")
    schema.check(database)
    assert schema.sync(database) == []


def test_an_unreachable_database_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": "1", "DATABASE_CONNECT_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    assert command.main(["dbchk"]) == 1
    assert "The database cannot be reached." in capsys.readouterr().err


def test_a_migration_killed_before_its_version_was_written_runs_again(database: Database) -> None:
    """MySQL commits each DDL statement, so all may be applied before the version is written."""
    with database.session() as db:
        execute(db, "DELETE FROM schema_versions")
    assert schema.sync(database) == sorted(schema.available())


@pytest.mark.parametrize("number", sorted(schema.available()))
def test_a_migration_killed_halfway_runs_again(
    database_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    module = importlib.import_module(f"chalicelib.db.migrations.{schema.available()[number]}")
    whole = module.statements
    database = Database(load(database_variables))
    for most in range(1, len(whole("sqlite"))):
        with monkeypatch.context() as patch:
            patch.setattr(module, "statements", lambda dialect, most=most: [*whole(dialect)[:most], "NONSENSE"])
            with pytest.raises((DatabaseUnavailable, peewee.DatabaseError)):
                schema.sync(database)
    schema.sync(database)
    schema.check(database)
    database.close()


def test_the_models_match_the_migrated_tables(database: Database) -> None:
    with database.session() as db:
        assert sorted(set(db.get_tables()) - {"sqlite_sequence"}) == sorted(
            table._meta.table_name for table in Table.__subclasses__()
        )
        for table in Table.__subclasses__():
            made = {column.name: column.null for column in db.get_columns(table._meta.table_name)}
            modelled = {field.column_name: field.null for field in table._meta.sorted_fields}
            assert made == modelled, table


def test_the_models_lengths_match_the_tables(mysql_database: Database) -> None:
    query = (
        "SELECT table_name, column_name, character_maximum_length FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND data_type = 'varchar'"
    )
    with mysql_database.session() as db:
        made = {(table, column): length for table, column, length in execute(db, query).fetchall()}
    modelled = {
        (table._meta.table_name, field.column_name): field.max_length
        for table in Table.__subclasses__()
        for field in table._meta.sorted_fields
        if isinstance(field, peewee.CharField)
    }
    assert made == modelled


def test_a_value_that_does_not_fit_is_an_error_not_truncated(mysql_database: Database) -> None:
    with mysql_database.session() as db, pytest.raises(peewee.DataError):
        Carts.insert(uid="u" * 256, root="r", digest="d", files_total=1, created_at=0, used_at=0).execute(db)


def test_uids_differ_by_case_and_accent(posting: Posting) -> None:
    for uid in ("a", "A"):
        posting.post(uid, uid)
    assert posting.carts.find("", "a").digest != posting.carts.find("", "A").digest
    for other in ("\u00e0", "\uff41", "a\t"):
        with pytest.raises(CartNotFound):
            posting.carts.find("", other)


def test_paths_are_stored_byte_for_byte(posting: Posting) -> None:
    path = "Ünï/" + "é" * 127 + "/🚀 \u0065\u0301"
    posting.service.create(ANYONE, "uid", json.dumps({"fileids": [{"id": 1, "path": path}]}).encode())
    assert [entry.path for entry in posting.entries.page(posting.carts.find("", "uid").id, 0, 10)] == [path]


def test_archive_ids_that_differ_by_a_trailing_space_are_distinct(database: Database) -> None:
    """If manifests accept such ids, the staged file of one must not be used for the other."""
    body = {"fileids": [{"id": "a", "path": "a"}, {"id": "a ", "path": "b"}]}
    try:
        ids = [entry.archive_id for entry in read(json.dumps(body).encode()).entries]
    except InvalidManifest:
        return
    with database.session() as db:
        for number, archive_id in enumerate(ids):
            row = {"archive_id": archive_id, "name": str(number), "state": "staged", "size": number}
            StagedFiles.insert(**row, mtime_ns=0, used_at=0).execute(db)
        assert StagedFiles.select().count(db) == 2


def test_concurrent_posts_of_one_uid_make_one_live_cart(database: Database, posting: Posting) -> None:
    def post(number: int) -> None:
        try:
            posting.service.create(ANYONE, "uid", body(f"file-{number % 4}"))
        finally:
            database.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(post, range(32)))
    with database.session() as db:
        live = list(Carts.select(Carts.id).where(Carts.uid == "uid", Carts.live == 1).execute(db))
        recalls = [row.cart_id for row in Jobs.select().where(Jobs.kind == JobKind.RECALL).execute(db)]
        dead = Carts.select().where(Carts.live.is_null()).count(db)
        cleanups = Jobs.select().where(Jobs.kind == JobKind.CLEANUP).count(db)
    assert [cart.id for cart in live] == recalls
    assert dead == cleanups


def test_a_post_that_loses_every_race_may_be_retried(posting: Posting, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(*_: object, **__: object) -> int:
        raise LiveCartExists

    monkeypatch.setattr(CartStore, "insert", lose)
    with pytest.raises(TransientError, match="at the same time"):
        posting.service.create(ANYONE, "uid", body("file"))


def test_times_are_utc_from_the_databases_clock(database: Database) -> None:
    assert abs(database.clock() - time.time()) < 5
    if database.is_mysql:
        with database.session() as db:
            assert execute(db, "SELECT @@session.time_zone").fetchone()[0] == "+00:00"


def test_queries_are_logged_if_set(database: Database, database_variables: dict[str, str]) -> None:
    check = (sys.executable, "-m", "chalicelib.admin", "dbchk")
    quiet = subprocess.run(check, cwd=ROOT, env=database_variables, capture_output=True, text=True, check=True)
    loud = subprocess.run(
        check, cwd=ROOT, env=database_variables | {"DATABASE_LOGGING": "1"}, capture_output=True, text=True, check=True
    )
    assert "SELECT" not in quiet.stderr
    assert "SELECT" in loud.stderr


def test_connecting_is_tried_as_often_as_set(caplog: pytest.LogCaptureFixture) -> None:
    pauses: list[float] = []
    settings = {"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": "1", "DATABASE_CONNECT_ATTEMPTS": "3", "DATABASE_WAIT": "7"}
    database = Database(load(settings), sleep=pauses.append)
    with pytest.raises(DatabaseUnavailable), database.session():
        raise AssertionError("unreachable")
    assert pauses == [7, 7]
    lines = [record.getMessage() for record in caplog.records]
    assert [f"(try {number} of 3)" in line for number, line in enumerate(lines, 1)] == [True] * 3
