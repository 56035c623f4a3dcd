"""W10: a thousand carts of one small file, posted by four clients: from the first POST until all are ready."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from bench.cart_system import WORKERS
from bench.client import CartClient, Outcome
from bench.files import File
from bench.measure import Side, warm_cart
from bench.meter import Meter
from bench.plan import SMALL
from bench.records import PER_SECOND, Cost, Record
from bench.rig import Rig

CLIENTS = 4
#: By variant of the record, the setting of the queue.
QUEUES = {"database queue": {"JOB_QUEUE": "database"}, "SQS (moto)": {}}


def w10(rig: Rig, _only: Sequence[str]) -> None:
    """On either queue, each with a new system, and the peer once."""
    source = rig.files(SMALL, rig.plan.w10_carts)
    for variant, settings in QUEUES.items():
        with warm_cart(rig, rig.real, WORKERS, **settings) as system:
            rig.note(_measured(rig, system, variant, source.take(rig.label(), rig.plan.w10_carts)))
    if rig.peer:
        record = _measured(rig, rig.peer, "", source.take(rig.label(), rig.plan.w10_carts))
        for variant in QUEUES:
            rig.note(replace(record, variant=variant))
        rig.peer.empty_volume()


def _measured(rig: Rig, side: Side, variant: str, files: Sequence[File]) -> Record:
    """Carts a second. In CPU ms a cart, by group: what it costs."""
    rig.settle()
    groups = {**side.groups(), "archive": [rig.real.pid], "database": [rig.database.pid]}
    before, meter, began = rig.database.questions(), Meter(groups), time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        lanes = list(pool.map(lambda lane: _post_all(side, lane), [files[lane::CLIENTS] for lane in range(CLIENTS)]))
        posted = time.perf_counter() - began
        outcomes = [outcome for lane in pool.map(lambda lane: _wait(rig, side, lane), lanes) for outcome in lane]
    seconds, reading = time.perf_counter() - began, meter.stop()
    parts = {"POST/s": len(files) / posted}
    parts |= {f"CPU ms of {group}": 1000 * used / len(files) for group, used in reading.cpu.items() if used}
    bad = [outcome for outcome in outcomes if outcome.status != "ready"]
    return Record(
        "W10",
        variant,
        side.name,
        len(files) / seconds,
        PER_SECOND,
        files=len(files),
        size=sum(file.size for file in files),
        parts=parts,
        cost=Cost(reading, rig.database.questions() - before, 0, 0),
        problem=f"{len(bad)} carts not ready: {bad[0].status} {bad[0].message[:200]}" if bad else "",
    )


def _post_all(side: Side, files: Sequence[File]) -> list[str]:
    """A cart of each file, one after the other over one connection; returns their uids."""
    client, uids = CartClient(side.url), [uuid.uuid4().hex for _ in files]
    for uid, file in zip(uids, files, strict=True):
        client.post(uid, [file])
    client.close()
    return uids


def _wait(rig: Rig, side: Side, uids: Sequence[str]) -> list[Outcome]:
    """Wait for the last cart, and then look at the others: by then they are ready as a rule."""
    client = CartClient(side.url)
    outcomes = [client.wait(uid, rig.plan.limit) for uid in reversed(uids)]
    client.close()
    return outcomes
