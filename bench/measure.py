"""Make one cart, or many at once, on one side: the time from the POST until all are ready, and its cost."""

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
from bench.archives import Archive
from bench.cart_system import WORKERS, CartSystem
from bench.client import CartClient, Outcome
from bench.files import File, total
from bench.meter import Groups, Meter
from bench.peer import Peer
from bench.plan import SMALL
from bench.records import Cost, Record
from bench.rig import Rig

HEADS_SAMPLED = 20
WARM_UP_CARTS, WARM_UP_LIMIT = 8, 60.0


class Side(Protocol):
    """A system that makes carts: the cart under test or the peer."""

    @property
    def name(self) -> str: ...

    @property
    def url(self) -> str: ...

    def groups(self) -> Groups: ...

    def messages(self) -> int: ...


@dataclass(frozen=True, slots=True)
class FinishedCart:
    """A cart that is ready or in error, as its client saw it."""

    uid: str
    files: Sequence[File]
    #: seconds until the response to the POST
    post: float
    outcome: Outcome
    resets: int


def warm_up(rig: Rig, side: Side) -> None:
    """Make a few single-file carts, so that each process has done its first-request work before anything is timed."""
    files = rig.files(SMALL, WARM_UP_CARTS).take(rig.label(), WARM_UP_CARTS)
    delete(side, _all_at_once(side, [[file] for file in files], WARM_UP_LIMIT))


@contextmanager
def warm_cart(rig: Rig, archive: Archive, workers: int = WORKERS, **settings: str) -> Iterator[CartSystem]:
    """Start the cart with empty state and warm it up."""
    with rig.start_cart(archive, workers, **settings) as system:
        warm_up(rig, system)
        yield system


def make_carts(
    rig: Rig, side: Side, archive: Archive, workload: str, carts: Sequence[Sequence[File]]
) -> tuple[Record, list[FinishedCart]]:
    """Post all carts at once and wait for the last. They are not deleted."""
    rig.settle()
    before = _counts(rig, side, archive)
    meter = Meter(_groups(rig, side, archive))
    began = time.perf_counter()
    finished = _all_at_once(side, carts, rig.plan.limit)
    seconds = time.perf_counter() - began
    reading = meter.stop()
    sql, messages, requests = (now - then for now, then in zip(_counts(rig, side, archive), before, strict=True))
    polls = sum(cart.outcome.polls for cart in finished)
    record = Record(
        workload,
        f"{archive.name} archive",
        side.name,
        seconds,
        files=sum(map(len, carts)),
        size=sum(map(total, carts)),
        parts={"post": max(cart.post for cart in finished)},
        cost=Cost(reading, round(sql - polls * _sql_per_head(rig, side, finished[0].uid)), messages, requests),
        note=_note(finished),
        problem=_problem(finished),
    )
    return record, finished


def check_tars(record: Record, side: Side, finished: Sequence[FinishedCart]) -> Record:
    """Download every tar; returns the record, with a problem if one is wrong."""
    wrong = [problem for cart in finished if (problem := tarcheck.problem(f"{side.url}/{cart.uid}", cart.files))]
    if not wrong:
        return record
    return replace(record, problem=record.problem or f"{len(wrong)} of {len(finished)} tars wrong: {wrong[0]}")


def delete(side: Side, finished: Sequence[FinishedCart]) -> None:
    """Delete the carts. The peer's are left to `Peer.empty_volume`, because its DELETE removes many small files."""
    if isinstance(side, Peer):
        return
    client = CartClient(side.url)
    for cart in finished:
        client.delete(cart.uid)
    client.close()


def _all_at_once(side: Side, carts: Sequence[Sequence[File]], limit: float) -> list[FinishedCart]:
    gate = threading.Barrier(len(carts))

    def one(cart: Sequence[File]) -> FinishedCart:
        client, uid = CartClient(side.url), uuid.uuid4().hex
        gate.wait()
        post = client.post(uid, cart)
        outcome = client.wait(uid, limit)
        client.close()
        return FinishedCart(uid, cart, post, outcome, client.resets)

    with ThreadPoolExecutor(len(carts)) as pool:
        return list(pool.map(one, carts))


def _groups(rig: Rig, side: Side, archive: Archive) -> Groups:
    return {**side.groups(), "archive": [archive.pid], "database": [rig.database.pid]}


def _counts(rig: Rig, side: Side, archive: Archive) -> tuple[int, int, int]:
    return rig.database.questions(), side.messages(), archive.requests()


def _sql_per_head(rig: Rig, side: Side, uid: str) -> float:
    client = CartClient(side.url)
    before = rig.database.questions()
    for _ in range(HEADS_SAMPLED):
        client.head(uid)
    client.close()
    return (rig.database.questions() - before) / HEADS_SAMPLED


def _note(finished: Sequence[FinishedCart]) -> str:
    resets = sum(cart.resets for cart in finished)
    return f"{resets} connections reset" if resets else ""


def _problem(finished: Sequence[FinishedCart]) -> str:
    bad = [cart.outcome for cart in finished if cart.outcome.status != "ready"]
    return f"{len(bad)} of {len(finished)} carts not ready: {bad[0].status} {bad[0].message[:200]}" if bad else ""
