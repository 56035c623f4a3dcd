"""The two databases behave as the product counts on: migrations, strictness, collation, time, lost connections."""

from __future__ import annotations

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

from chalicelib import command
from chalicelib.config.settings import load
from chalicelib.db import migrations
from chalicelib.db.database import Database, execute
from chalicelib.db.models import TABLES, Carts, Jobs, StagedFiles
from chalicelib.errors import CartNotFound, DatabaseUnavailable, InvalidManifest, SchemaOutdated
from chalicelib.manifest.reader import parse
from chalicelib.stores.jobs import JobKind
from tests.integration.posting import Posting, body

ROOT = Path(__file__).parents[2]
DBSYNC = (sys.executable, "-m", "chalicelib.command", "dbsync")


@pytest.fixture
def posting(database: Database) -> Posting:
    return Posting(database)


@pytest.fixture
def run(
    database_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], tuple[int, str]]:
    """Runs a command of the operator's; its exit code and what it said."""
    for name, value in database_variables.items():
        monkeypatch.setenv(name, value)

    def running(name: str) -> tuple[int, str]:
        code = command.main([name])
        said = capsys.readouterr()
        return code, said.out + said.err

    return running


def test_ten_processes_may_make_the_tables_at_once(database_variables: dict[str, str]) -> None:
    processes = [
        subprocess.Popen(DBSYNC, cwd=ROOT, env=database_variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(10)
    ]
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 10, said
    idle = [out for out, _ in said if out.startswith(b"applied 0 ")]
    assert len(idle) == 9
    migrations.check(Database(load(database_variables)))


def test_tables_that_are_not_there_are_older(run: Callable[[str], tuple[int, str]]) -> None:
    code, said = run("dbchk")
    assert (code, "dbsync" in said) == (1, True)
    assert run("dbsync")[0] == 0
    assert run("dbchk")[0] == 0
    assert run("dbsync")[0] == 0


def test_older_tables_are_refused_and_brought_up(database: Database) -> None:
    with database.session() as db:
        execute(db, f"DELETE FROM schema_versions WHERE version > {max(migrations.available()) - 1}")
    with pytest.raises(SchemaOutdated):
        migrations.check(database)
    assert migrations.sync(database) == [max(migrations.available())]
    migrations.check(database)


def test_newer_tables_are_fine(database: Database) -> None:
    with database.session() as db:
        execute(db, "INSERT INTO schema_versions (version, applied_at) VALUES (9999, 0)")
    migrations.check(database)
    assert migrations.sync(database) == []


def test_a_database_that_is_not_there_is_said_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": "1", "DATABASE_CONNECT_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    assert command.main(["dbchk"]) == 1
    assert "The database cannot be reached." in capsys.readouterr().err


def test_a_migration_that_died_at_its_end_runs_again(database: Database) -> None:
    """MySQL commits each DDL statement: all of them may be done when the version is not yet written."""
    with database.session() as db:
        execute(db, "DELETE FROM schema_versions")
    assert migrations.sync(database) == sorted(migrations.available())


@pytest.mark.parametrize("number", sorted(migrations.available()))
def test_a_migration_that_died_in_the_middle_runs_again(
    database_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    module = importlib.import_module(f"chalicelib.db.migrations.{migrations.available()[number]}")
    whole = module.statements
    database = Database(load(database_variables))
    for most in range(1, len(whole("sqlite"))):
        with monkeypatch.context() as patch:
            patch.setattr(module, "statements", lambda dialect, most=most: [*whole(dialect)[:most], "NONSENSE"])
            with pytest.raises((DatabaseUnavailable, peewee.DatabaseError)):
                migrations.sync(database)
    migrations.sync(database)
    migrations.check(database)
    database.close()


def test_the_models_are_the_migrated_tables(database: Database) -> None:
    with database.session() as db:
        assert sorted(set(db.get_tables()) - {"sqlite_sequence"}) == sorted(table._meta.table_name for table in TABLES)
        for table in TABLES:
            made = {column.name: column.null for column in db.get_columns(table._meta.table_name)}
            modelled = {field.column_name: field.null for field in table._meta.sorted_fields}
            assert made == modelled, table


def test_the_models_lengths_are_the_tables(mysql_database: Database) -> None:
    query = (
        "SELECT table_name, column_name, character_maximum_length FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND data_type = 'varchar'"
    )
    with mysql_database.session() as db:
        made = {(table, column): length for table, column, length in execute(db, query).fetchall()}
    modelled = {
        (table._meta.table_name, field.column_name): field.max_length
        for table in TABLES
        for field in table._meta.sorted_fields
        if isinstance(field, peewee.CharField)
    }
    assert made == modelled


def test_what_does_not_fit_is_an_error_never_cut(mysql_database: Database) -> None:
    with mysql_database.session() as db, pytest.raises(peewee.DataError):
        Carts.insert(uid="u" * 256, root="r", digest="d", files_total=1, created_at=0, used_at=0).execute(db)


def test_uids_differ_by_case_and_accent(posting: Posting) -> None:
    for uid in ("a", "A"):
        posting.post(uid, uid)
    assert posting.carts.find("", "a").digest != posting.carts.find("", "A").digest
    for other in ("\u00e0", "\uff41", "a\t"):
        with pytest.raises(CartNotFound):
            posting.carts.find("", other)


def test_paths_are_kept_to_the_byte(posting: Posting) -> None:
    path = "Ünï/" + "é" * 127 + "/🚀 \u0065\u0301"
    posting.service.create("", "uid", json.dumps({"fileids": [{"id": 1, "path": path}]}).encode())
    assert [entry.path for entry in posting.entries.page(posting.carts.find("", "uid").id, 0, 10)] == [path]


def test_archive_ids_differ_by_a_space_at_the_end(database: Database) -> None:
    """Where the manifest lets such ids through, a staged file of one must never be taken for the other's."""
    body = {"fileids": [{"id": "a", "path": "a"}, {"id": "a ", "path": "b"}]}
    try:
        ids = [entry.archive_id for entry in parse(json.dumps(body).encode(), "uid").entries]
    except InvalidManifest:
        return
    with database.session() as db:
        for number, archive_id in enumerate(ids):
            row = {"archive_id": archive_id, "name": str(number), "state": "staged", "size": number}
            StagedFiles.insert(**row, mtime_ns=0, used_at=0).execute(db)
        assert StagedFiles.select().count(db) == 2


def test_threads_that_post_one_uid_at_once_make_one_live_cart(database: Database, posting: Posting) -> None:
    def post(number: int) -> None:
        try:
            posting.service.create("", "uid", body(f"file-{number % 4}"))
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


def test_times_are_utc_by_the_databases_own_clock(database: Database) -> None:
    assert abs(database.clock() - time.time()) < 5
    if database.is_mysql:
        with database.session() as db:
            assert execute(db, "SELECT @@session.time_zone").fetchone()[0] == "+00:00"


def test_queries_are_printed_when_asked_for(database: Database, database_variables: dict[str, str]) -> None:
    check = (sys.executable, "-m", "chalicelib.command", "dbchk")
    quiet = subprocess.run(check, cwd=ROOT, env=database_variables, capture_output=True, text=True, check=True)
    loud = subprocess.run(
        check, cwd=ROOT, env=database_variables | {"DATABASE_LOGGING": "1"}, capture_output=True, text=True, check=True
    )
    assert "SELECT" not in quiet.stderr
    assert "SELECT" in loud.stderr


def test_a_connection_is_tried_as_often_as_told(caplog: pytest.LogCaptureFixture) -> None:
    pauses: list[float] = []
    settings = {"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": "1", "DATABASE_CONNECT_ATTEMPTS": "3", "DATABASE_WAIT": "7"}
    database = Database(load(settings), sleep=pauses.append)
    with pytest.raises(DatabaseUnavailable), database.session():
        raise AssertionError("unreachable")
    assert pauses == [7, 7]
    said = [record.getMessage() for record in caplog.records]
    assert [f"(try {number} of 3)" in line for number, line in enumerate(said, 1)] == [True] * 3
