"""No query that runs per request, message or sweep scans a whole table, on either database."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.aws.manifest_uploads import upload_key
from chalicelib.caller import Caller
from chalicelib.db.access_models import CartShares
from chalicelib.db.database import Database, execute
from chalicelib.db.models import Carts, Uploads, Windows
from chalicelib.db.volume_models import Recalls, StagedFiles
from chalicelib.stores.cart_lists import CartListStore
from chalicelib.stores.cart_shares import CartShareStore
from chalicelib.stores.cart_survey import CartSurvey
from chalicelib.stores.cart_waits import CartWaitStore
from chalicelib.stores.due_jobs import DueJobStore
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.progress import ProgressStore
from chalicelib.stores.refusal_counts import RefusalCountStore
from chalicelib.stores.seals import SealStore
from chalicelib.stores.turns import Turn
from chalicelib.stores.unsent_jobs import UnsentJobStore
from chalicelib.sweep.seal_audit import SealAudit
from tests.callers import ANYONE, caller
from tests.integration.posting import RETENTION, DatabaseSweep, Posting, body
from workers.stores.recalls import RecallStore
from workers.stores.tape_looks import Look, LookPolicy, TapeLookStore

CARTS, FILES = 400, 4
AUDIT = ("audit_records", "audit_seals", "refusal_counts")
TABLES = ("carts", "entries", "windows", "jobs", "staged_files", "uploads", "cart_shares", *AUDIT)
Query = tuple[str, list[Any]]


class Recorder(logging.Handler):
    """Collects the queries peewee logs."""

    def __init__(self) -> None:
        super().__init__()
        self.queries: list[Query] = []

    def emit(self, record: logging.LogRecord) -> None:
        logged: Any = record.msg
        sql, parameters = logged
        if re.match(r"\(?(SELECT|UPDATE|DELETE)", sql):
            self.queries.append((sql, list(parameters or ())))


@pytest.fixture
def record() -> Iterator[Callable[[Callable[[], Any]], list[Query]]]:
    """Runs a function; the queries it ran."""
    recorder, logger = Recorder(), logging.getLogger("peewee")
    level = logger.level
    logger.addHandler(recorder)

    def recording(work: Callable[[], Any]) -> list[Query]:
        recorder.queries.clear()
        logger.setLevel(logging.DEBUG)
        try:
            work()
        finally:
            logger.setLevel(level)
        return list(recorder.queries)

    yield recording
    logger.removeHandler(recorder)


@pytest.fixture
def full(database: Database) -> Database:
    """A database with enough rows for a plan that scans them to show."""
    posting = Posting(database)
    database.transaction(lambda: [posting.post(f"uid-{number}", *files(number)) for number in range(CARTS)])
    SealAudit(SealStore(database), 0, 10, CARTS).run()
    RefusalCountStore(database).add({(1 << 30, f"192.0.2.{number}"): 1 for number in range(CARTS)})
    with database.session() as db:
        common = {"state": "staged", "size": 0, "mtime_ns": 0, "used_at": 0}
        ids = [f"{number}-{file}" for number in range(CARTS) for file in range(FILES)]
        StagedFiles.insert_many([{"archive_id": name, "name": name, **common} for name in ids]).execute(db)
        times = {"created_at": 1, "url_until": 0, "closed_at": 1}
        bound = [{"uid": f"uid-{n}", "token": f"t{n}", "cart_id": n + 1, **times} for n in range(CARTS)]
        Uploads.insert_many(bound).execute(db)
        ends = {"hash": "", "recipient": "ben", "created_at": 1}
        shares = [ends | {"cart_id": n + 1, "hash": f"h{n}", "expires_at": 1e10 + n} for n in range(CARTS)]
        CartShares.insert_many(shares).execute(db)
        for table in TABLES:
            execute(db, f"ANALYZE TABLE {table}" if database.is_mysql else f"ANALYZE {table}")
    return database


def files(number: int) -> list[str]:
    return [f"{number}-{file}" for file in range(FILES)]


def uploaded(posting: Posting, uid: str) -> None:
    """Upload a manifest and post it."""
    slot = posting.service.manifest_upload(ANYONE, uid)
    posting.manifests.objects[upload_key(slot.upload)] = b"a manifest"
    notice = {"manifest": "uploaded", "upload": slot.upload}
    posting.service.create(ANYONE, uid, json.dumps(notice).encode())


def plan(database: Database, query: Query) -> list[str]:
    """The steps of the query's plan that scan a whole table or index."""
    sql, parameters = query
    if 'FROM "switches"' in sql or "FROM `switches`" in sql:
        return []  # two rows at most
    with database.session() as db:
        if database.is_mysql:
            rows = db.execute_sql(f"EXPLAIN {sql}", parameters).fetchall()  # type: ignore[no-untyped-call]
            tables = [row for row in rows if not str(row[2]).startswith(("<derived", "<union"))]
            return [f"{row[2]}: {row[3]}" for row in tables if row[3] in ("ALL", "index")]
        rows = db.execute_sql(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall()  # type: ignore[no-untyped-call]
        return [row[3] for row in rows if row[3].startswith("SCAN") and not re.search("CONSTANT|part", row[3])]


def test_no_request_reads_a_whole_table(full: Database, record: Callable[[Callable[[], Any]], list[Query]]) -> None:
    posting, progress = Posting(full), ProgressStore(full)
    lists, shares = CartListStore(full), CartShareStore(full)
    carts = posting.carts
    cart = carts.find("", "uid-7")
    staging = {"head": lambda: carts.find("", "uid-7"), "get": lambda: carts.record_download(cart, 1e9, 3600)}
    assert carts.begin_staging(cart.id)
    cart = carts.find("", "uid-7")
    calls = staging | {
        "status": lambda: progress.counts(cart),
        "waits": lambda: CartWaitStore(full, 30).of_cart(cart),
        "files": lambda: progress.files(cart, 1, 2),
        "post of the same": lambda: posting.post("uid-7", *files(7)),
        "post of another": lambda: posting.post("uid-8", *files(9)),
        "delete": lambda: posting.service.delete(ANYONE, "uid-9"),
        "list": lambda: lists.page("", ("ready", "waiting"), 1 << 62, 5),
        "list of everybody": lambda: lists.page(None, ("ready",), 1 << 62, 5),
        "shares": lambda: (shares.of_cart(7), shares.count(7)),
        "shared": lambda: shares.find("token"),
        "unshare": lambda: shares.revoke(7, 7),
        "upload": lambda: uploaded(posting, "uid-10"),
        "post of the same upload": lambda: posting.service.create(ANYONE, "uid-10", b'{"manifest": "uploaded"}'),
    }
    assert_none_scans(full, {name: record(call) for name, call in calls.items()})


def test_no_message_reads_a_whole_table(full: Database, record: Callable[[Callable[[], Any]], list[Query]]) -> None:
    posting = Posting(full)
    jobs = posting.jobs
    [message] = posting.post("new", 1)
    claimed = jobs.claim(message.job_id, message.token)
    assert claimed is not None
    due = DueJobStore(full, 30)
    calls = {
        "next": lambda: due.next(Turn()),
        "next small": lambda: due.next(Turn("", only_small=True)),
        "any due": lambda: due.any_due(),
        "until due": lambda: due.seconds_until_due(claimed.claim),
        "claim": lambda: jobs.claim(message.job_id, message.token),
        "renew": lambda: jobs.renew([claimed]),
        "fenced": lambda: jobs.fenced(claimed, lambda: None),
        "defer": lambda: jobs.defer(claimed, 1),
        "delete all": lambda: jobs.delete_all(claimed.cart_id),
        "upload to read": lambda: posting.uploads.unread(claimed.cart_id),
        "uploads to delete": lambda: posting.uploads.tokens_of_cart(claimed.cart_id),
        "uploads of a cart": lambda: full.transaction(lambda: posting.uploads.delete_of_cart(claimed.cart_id)),
    }
    assert_none_scans(full, {name: record(call) for name, call in calls.items()})


def test_no_sweep_reads_a_whole_table(full: Database, record: Callable[[Callable[[], Any]], list[Query]]) -> None:
    posting, unsent, sweep = Posting(full), UnsentJobStore(full, 30), DatabaseSweep(full)
    [message] = posting.post("new", 1)
    calls = {
        "due": lambda: unsent.take_due(100, lambda: 0),
        "unsent": lambda: unsent.mark_unsent([message]),
        "deadlines": sweep.overdue_carts.run,
        "dead letters": lambda: unsent.unclaimed(message.job_id, message.token),
        "uploads": lambda: CartSurvey(full).upload_ids([1, 2, 3]),
        "expiry": sweep.expired_bundles.run,
        "rows to clear": sweep.clear_carts.run,
        "old rows": sweep.old_carts.run,
        "recalls": lambda: full.transaction(lambda: RecallStore(full).delete_abandoned(10)),
        "expired uploads": sweep.expired_uploads.run,
        "ended shares": lambda: CartShareStore(full).delete_ended(86400.0, 100),
        "audit to seal": sweep.seal_audit.run,
        "old audit": sweep.old_audit.run,
    }
    assert_none_scans(full, {name: record(call) for name, call in calls.items()})


def test_no_look_at_tape_scans_a_table(full: Database, record: Callable[[Callable[[], Any]], list[Query]]) -> None:
    recalls, looks = RecallStore(full), TapeLookStore(full, LookPolicy(per_second=5))
    message = full.transaction(lambda: JobStore(full, 30).add(7, JobKind.RECALL))
    recalls.claim(message.job_id, [f"{number}-0" for number in range(CARTS)])
    with full.session() as db:
        execute(db, "ANALYZE TABLE recalls" if full.is_mysql else "ANALYZE recalls")
        Recalls.update(next_look_at=Recalls.next_look_at - 10).execute(db)
    found = [Look("7-0", "", size=1, mtime_ns=1), Look("8-0", "", failing_at=1.0, changed=True)]
    calls = {
        "take": lambda: full.transaction(looks.take),
        "none": lambda: full.transaction(looks.take),
        "record": lambda: full.transaction(lambda: looks.record(found)),
        "answers": lambda: looks.answers(["7-0", "8-0"]),
        "window": lambda: looks.on_tape(8, 0, 2),
        "job": lambda: full.transaction(lambda: JobStore(full, 30).add_look()),
    }
    assert_none_scans(full, {name: record(call) for name, call in calls.items()})


def test_the_sum_of_bundle_sizes_uses_a_covering_index(
    full: Database, record: Callable[[Callable[[], Any]], list[Query]]
) -> None:
    limited = DatabaseSweep(full, dataclasses.replace(RETENTION, limit=1))
    [(sql, given)] = [query for query in record(limited.expired_bundles.run) if "SUM" in query[0]]
    with full.session() as db:
        explain = "EXPLAIN" if full.is_mysql else "EXPLAIN QUERY PLAN"
        steps = str(db.execute_sql(f"{explain} {sql}", given).fetchall())  # type: ignore[no-untyped-call]
    assert "Using index" in steps if full.is_mysql else "COVERING INDEX carts_bundles" in steps


def test_a_full_scan_would_be_detected(full: Database) -> None:
    sql, parameters = Carts.select().where(Carts.message == "x").sql()
    quoted = sql if not full.is_mysql else sql.replace('"', "`").replace("?", "%s")
    assert plan(full, (quoted, parameters))


def assert_none_scans(database: Database, queries: dict[str, list[Query]]) -> None:
    assert all(queries.values()), queries
    scans = {name: [(sql, plan(database, (sql, given))) for sql, given in ran] for name, ran in queries.items()}
    assert [(name, sql, found) for name, ran in scans.items() for sql, found in ran if found] == []


def test_limits_cost_an_owner_two_statements_a_post_and_nobody_none(
    full: Database, record: Callable[[Callable[[], Any]], list[Query]]
) -> None:
    posting, ann = Posting(full), caller("ann")
    posting.service.create(ann, "first", body(1))

    def usage_of(who: Caller, uid: str) -> list[str]:
        ran = [sql for sql, _ in record(lambda: posting.service.create(who, uid, body(uid)))]
        return [sql for sql in ran if "owner_usage" in sql]

    assert len(usage_of(ann, "second")) == 2
    assert usage_of(ANYONE, "second") == []
    reads = [lambda: posting.service.find(ann, "second"), lambda: posting.service.download(ann, "second", None)]
    assert [sql for read in reads for sql, _ in record(read) if "owner_usage" in sql] == []


def test_no_statement_about_limits_reads_a_whole_table(
    full: Database, record: Callable[[Callable[[], Any]], list[Query]]
) -> None:
    posting, ann = Posting(full), caller("ann")
    posting.service.create(ann, "first", body(1))
    with full.session() as db:
        window = {"number": 0, "first": 0, "files": 1, "length": 1, "first_part": 1, "state": "done"}
        Windows.insert_many([{"cart_id": number + 1, **window} for number in range(CARTS)]).execute(db)
        for number in range(CARTS // 10):  # ten of each owner
            ten, owner = (10 * number + 1, 10 * number + 10), f"owner-{number}"
            Carts.update(owner=owner).where(Carts.id.between(*ten)).execute(db)
            Uploads.update(owner=owner).where(Uploads.id.between(*ten)).execute(db)
        for name in TABLES:
            execute(db, f"ANALYZE TABLE {name}" if full.is_mysql else f"ANALYZE {name}")
    calls = {
        "recompute": lambda: full.transaction(lambda: posting.usage.recomputed("ann")),
        "shown": lambda: posting.post_limits.shown(ann),
        "delete": lambda: posting.service.delete(ann, "first"),
    }
    assert_none_scans(full, {name: record(call) for name, call in calls.items()})
