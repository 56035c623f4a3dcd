"""`cache evict`, `queue redrive` and `sweep` on a running system."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import boto3

from chalicelib import job_message
from chalicelib.aws.bucket_listing import BucketListing
from chalicelib.db.access_models import AuditRecords
from chalicelib.db.models import Carts, Jobs
from chalicelib.db.volume_models import StagedFiles, Volume
from chalicelib.job_message import JobMessage
from chalicelib.operating.evict import Wanted
from chalicelib.wiring import System
from chalicelib.wiring_operating import operating_of
from tests.callers import ANYONE, caller
from tests.integration.admin.operated_site import Operated, operated, operated_of, together
from tests.integration.worker_site import (
    assert_ready,
    assert_volume_consistent,
    generated,
    gets,
    jobs_left,
    manifest,
    rows,
    send_idle_jobs,
    until,
    volume,
    volume_files,
)

__all__ = ["operated", "operated_of"]
FILES = generated(6, 3000)


def staged(operated: Operated) -> set[str]:
    return {name for (name,) in rows(operated.site, StagedFiles.archive_id)}


def evicting_jobs(operated: Operated) -> int:
    """Jobs that evict, after the sweep's work: a message of a job that is not due yet may have served another."""
    send_idle_jobs(operated.site)
    return [kind for (kind,) in rows(operated.site, Jobs.kind)].count("evict")


def test_evict_frees_what_was_named_or_used_longest_ago_and_the_files_are_pulled_again(operated: Operated) -> None:
    first, *others = FILES
    operated.site.start_worker()
    operated.system.service.create(ANYONE, "cart", manifest(FILES))
    assert_ready(operated.site, "cart", FILES)
    with operated.system.database.session() as db:
        StagedFiles.update(used_at=5).where(StagedFiles.archive_id == others[0]).execute(db)
    assert operated.run("cache", "evict").code == 2
    assert operated.run("cache", "evict", first, "unknown", "--yes", "--json").json["chosen"] == 1
    assert staged(operated) == set(others)
    done = operated.run("cache", "evict", "--least-used", "3000", "--yes", "--json")
    assert (done.code, done.json) == (0, {"chosen": 1, "left": 0, "left_bytes": 0})
    assert staged(operated) == set(others[1:])
    assert operated.run("cache", "evict", "--all-unused", "--yes", "--json").json["chosen"] == 4
    assert (staged(operated), volume_files(operated.site)) == (set(), [])
    assert_volume_consistent(operated.site)
    operated.system.service.create(ANYONE, "again", manifest(FILES))
    assert_ready(operated.site, "again", FILES)
    assert gets(operated.site, first) == 2
    assert [row[1:] for row in operated.audited()] == [("evict", "")] * 3
    acts = rows(operated.site, AuditRecords.action, AuditRecords.details)
    details = [json.loads(text) for action, text in acts if action == "evict"]
    assert details == [{"files": 2, "ids": [first, "unknown"]}, {"bytes": 3000}, {"bytes": "all"}]


def test_a_file_that_is_needed_again_after_it_was_chosen_stays(operated: Operated) -> None:
    operated.site.start_worker()
    operated.system.service.create(ANYONE, "cart", manifest(FILES))
    assert_ready(operated.site, "cart", FILES)
    operated.site.stop()
    assert operated.run("cache", "evict", "--all-unused", "--yes", "--no-wait", "--json").json["left"] == 6
    with operated.system.database.session() as db:
        Jobs.update(due_at=operated.system.database.clock() + 3).where(Jobs.kind == "evict").execute(db)
    operated.system.service.create(ANYONE, "again", manifest(FILES))
    operated.site.start_worker()
    assert_ready(operated.site, "again", FILES)
    assert [gets(operated.site, name) for name in FILES] == [1] * 6
    until(lambda: not evicting_jobs(operated))
    assert staged(operated) == set(FILES)
    assert_volume_consistent(operated.site)


def test_evicting_all_the_time_while_carts_are_made_loses_nothing(operated_of: Callable[..., Operated]) -> None:
    operated = operated_of(VOLUME_LIMIT="1M", JOB_CONCURRENCY="3")
    for _ in range(2):
        operated.site.start_worker()
    evict = operating_of(operated.system).evict
    uids = [f"cart-{number}" for number in range(6)]

    def post() -> None:
        for uid in uids:
            operated.system.service.create(ANYONE, uid, manifest(FILES))

    def evicting() -> None:
        for _ in range(8):
            evict.run(caller("operator:x"), Wanted())

    together(post, evicting)
    for uid in uids:
        assert_ready(operated.site, uid, FILES)
    until(lambda: not evicting_jobs(operated))
    assert_volume_consistent(operated.site)


def test_redrive_sends_all_dead_letters_again(operated: Operated) -> None:
    url = boto3.client("sqs").create_queue(QueueName=f"{operated.site.variables['JOB_QUEUE']}-dead")["QueueUrl"]
    for uid in ("one", "two"):
        operated.system.service.create(ANYONE, uid, manifest(FILES))
    letters = [job_message.encode(JobMessage(job, 0, "")) for (job,) in rows(operated.site, Jobs.id)]
    for body in (*letters, "a foreign message"):
        boto3.client("sqs").send_message(QueueUrl=url, MessageBody=body)
    assert operated.run("queue", "redrive", "--json").json == {"sent_again": 2}
    assert operated.run("queue", "redrive", "--json").json == {"sent_again": 0}


def test_sweep_says_what_it_repaired(operated: Operated) -> None:
    operated.system.service.create(ANYONE, "late", manifest(FILES))
    with operated.system.database.session() as db:
        Carts.update(used_at=0).execute(db)
    done = operated.run("sweep", "--json")
    assert {"repair": "overdue carts failed", "count": 1} in done.json
    assert done.code == 0


def test_reconcile_finds_what_differs_repairs_it_and_then_nothing(operated: Operated) -> None:
    site, system = operated.site, operated.system
    site.start_worker()
    for uid in ("right", "lost"):
        system.service.create(ANYONE, uid, manifest(FILES))
        assert_ready(site, uid, FILES)
    right, lost = (system.service.find(ANYONE, uid).id for uid in ("right", "lost"))
    s3 = boto3.client("s3")
    for key in ("carts/999/1.tar", "manifests/unknown"):
        s3.put_object(Bucket=site.variables["BUNDLE_BUCKET"], Key=key, Body=b"x")
    s3.delete_object(Bucket=site.variables["BUNDLE_BUCKET"], Key=f"carts/{lost}/1.tar")
    stray = volume(site) / "files" / "ff" / ("ff" + "0" * 62)
    stray.write_bytes(b"x")
    with system.database.session() as db:
        Volume.update(used=Volume.used + 4096).execute(db)

    young = operated.run("reconcile", "--dry-run", "--json")
    assert (young.code, young.json["unowned"]) == (3, []), "they may yet get a row"
    two_hours_later = operating_of(_later(system))
    found = two_hours_later.reconcile.find(lambda _: None)
    assert [item.key for item in found.unowned] == ["carts/999/1.tar", "manifests/unknown"]
    assert [cart.uid for cart in found.missing] == ["lost"]
    assert found.account is not None
    assert found.account[0][0] - found.account[1][0] == 4096
    two_hours_later.reconcile.repair(caller("operator:x"), found)
    assert site.stored() == [f"carts/{right}/1.tar"]
    until(lambda: not stray.exists())
    system.service.delete(ANYONE, "lost")
    assert operated.run("reconcile", "--yes", "--json").code == 0
    until(lambda: not jobs_left(site))
    assert_volume_consistent(site)


def _later(system: System) -> System:
    listing = BucketListing(system.bundles._client, system.settings.bundle_bucket, two_hours_ahead)
    return dataclasses.replace(system, bucket=listing)


def two_hours_ahead() -> datetime:
    return datetime.now(UTC) + timedelta(hours=2)
