"""One cart, or many at once, on one side: how long from the POST until all are ready, and what that cost."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from bench import tarcheck
from bench.archives import TheArchive
from bench.client import CartClient, Outcome
from bench.files import File, total
from bench.laboratory import Laboratory
from bench.meter import Groups, Meter
from bench.ours import WORKERS, Ours
from bench.peer import Peer
from bench.plan import SMALL
from bench.records import Cost, Record

HEADS_ASKED = 20
WARMING, WARMING_LIMIT = 8, 60.0


class Side(Protocol):
    """A system that makes carts."""

    @property
    def name(self) -> str: ...

    @property
    def url(self) -> str: ...

    def groups(self) -> Groups: ...

    def messages(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Ended:
    """A cart that was made, and what its client saw."""

    uid: str
    files: Sequence[File]
    post: float
    outcome: Outcome
    resets: int


def warm(lab: Laboratory, side: Side) -> None:
    """Some carts of one file: what is made at a process's first request is made, in each of its processes."""
    files = lab.files(SMALL, WARMING).take(lab.label(), WARMING)
    delete(side, _all_at_once(side, [[file] for file in files], WARMING_LIMIT))


@contextmanager
def ours_warm(lab: Laboratory, archive: TheArchive, workers: int = WORKERS, **settings: str) -> Iterator[Ours]:
    """Ourselves from empty, but used to work."""
    with lab.ours(archive, workers, **settings) as system:
        warm(lab, system)
        yield system


def make_carts(
    lab: Laboratory, side: Side, archive: TheArchive, workload: str, carts: Sequence[Sequence[File]]
) -> tuple[Record, list[Ended]]:
    """Post all at once and wait for the last; the carts stay."""
    lab.settle()
    before = _counts(lab, side, archive)
    meter = Meter(_groups(lab, side, archive))
    began = time.perf_counter()
    ended = _all_at_once(side, carts, lab.plan.limit)
    seconds = time.perf_counter() - began
    reading = meter.stop()
    sql, messages, requests = (now - then for now, then in zip(_counts(lab, side, archive), before, strict=True))
    polls = sum(cart.outcome.polls for cart in ended)
    record = Record(
        workload,
        f"{archive.name} archive",
        side.name,
        seconds,
        files=sum(map(len, carts)),
        size=sum(map(total, carts)),
        parts={"post": max(cart.post for cart in ended)},
        cost=Cost(reading, round(sql - polls * _sql_of_a_head(lab, side, ended[0].uid)), messages, requests),
        note=_note(ended),
        problem=_problem(ended),
    )
    return record, ended


def checked(record: Record, side: Side, ended: Sequence[Ended]) -> Record:
    """The record, with a problem when a tar is wrong."""
    wrong = [said for cart in ended if (said := tarcheck.wrong_with(f"{side.url}/{cart.uid}", cart.files))]
    if not wrong:
        return record
    return replace(record, problem=record.problem or f"{len(wrong)} of {len(ended)} tars wrong: {wrong[0]}")


def delete(side: Side, ended: Sequence[Ended]) -> None:
    """The peer's stay until its volume is put aside: it would remove all their files."""
    if isinstance(side, Peer):
        return
    client = CartClient(side.url)
    for cart in ended:
        client.delete(cart.uid)
    client.close()


def _all_at_once(side: Side, carts: Sequence[Sequence[File]], limit: float) -> list[Ended]:
    gate = threading.Barrier(len(carts))

    def one(cart: Sequence[File]) -> Ended:
        client, uid = CartClient(side.url), uuid.uuid4().hex
        gate.wait()
        post = client.post(uid, cart)
        outcome = client.wait(uid, limit)
        client.close()
        return Ended(uid, cart, post, outcome, client.resets)

    with ThreadPoolExecutor(len(carts)) as pool:
        return list(pool.map(one, carts))


def _groups(lab: Laboratory, side: Side, archive: TheArchive) -> Groups:
    return {**side.groups(), "archive": [archive.pid], "database": [lab.database.pid]}


def _counts(lab: Laboratory, side: Side, archive: TheArchive) -> tuple[int, int, int]:
    return lab.database.questions(), side.messages(), archive.requests()


def _sql_of_a_head(lab: Laboratory, side: Side, uid: str) -> float:
    client = CartClient(side.url)
    before = lab.database.questions()
    for _ in range(HEADS_ASKED):
        client.head(uid)
    client.close()
    return (lab.database.questions() - before) / HEADS_ASKED


def _note(ended: Sequence[Ended]) -> str:
    resets = sum(cart.resets for cart in ended)
    return f"{resets} connections reset" if resets else ""


def _problem(ended: Sequence[Ended]) -> str:
    bad = [cart.outcome for cart in ended if cart.outcome.status != "ready"]
    return f"{len(bad)} of {len(ended)} carts not ready: {bad[0].status} {bad[0].message[:200]}" if bad else ""
