"""W5: the rates of HEAD on a ready cart and of POST."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.client import CartClient
from bench.files import File, FileSet
from bench.measure import Side, warm_cart
from bench.plan import SMALL
from bench.records import PER_SECOND, Record
from bench.rig import Rig
from infra.local.process import ROOT

CONNECTIONS = (1, 8, 32)
POSTERS = 4
FEW = 10


@dataclass(frozen=True, slots=True)
class Posted:
    uid: str
    seconds: float = 0.0
    resets: int = 0


def w5(rig: Rig, _only: Sequence[str]) -> None:
    source = rig.files(SMALL, max(rig.plan.w1_files, rig.plan.posts))
    with warm_cart(rig, rig.real) as system:
        sides: list[Side] = [system, *filter(None, [rig.peer])]
        uids = [_ready_cart(side, source, rig) for side in sides]
        for _ in range(rig.plan.runs):
            for connections in CONNECTIONS:
                for side, uid in zip(sides, uids, strict=True):
                    rig.note(_heads(rig, side, uid, connections))
            for side in sides:
                rig.note(_posts(rig, side, source))
                rig.note(_large_post(rig, side, source))
        for side, uid in zip(sides, uids, strict=True):
            _finish(side, [Posted(uid)], rig.plan.limit)


def _ready_cart(side: Side, source: FileSet, rig: Rig) -> str:
    """Make a small cart; returns its uid once it is ready."""
    client, uid = CartClient(side.url), uuid.uuid4().hex
    client.post(uid, source.take(rig.label(), FEW))
    client.wait(uid, rig.plan.limit)
    client.close()
    return uid


def _heads(rig: Rig, side: Side, uid: str, connections: int) -> Record:
    rig.settle()
    command = [sys.executable, "-m", "bench.head_load", f"{side.url}/{uid}", str(connections), str(rig.plan.heads)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    problem = f"{result['failed']} requests failed" if result["failed"] else ""
    parts = {"median ms": result["median_ms"], "p99 ms": result["p99_ms"]}
    rate = result["per_second"]
    return Record("W5", f"HEAD, {connections} at once", side.name, rate, PER_SECOND, parts=parts, problem=problem)


def _posts(rig: Rig, side: Side, source: FileSet) -> Record:
    """POST single-file carts from POSTERS clients. Only the responses are timed, not the work that follows."""
    rig.settle()
    carts = [[file] for file in source.take(rig.label(), rig.plan.posts)]
    began = time.perf_counter()
    with ThreadPoolExecutor(POSTERS) as pool:
        posted = [cart for lane in pool.map(lambda lane: _post_all(side, lane), _lanes(carts)) for cart in lane]
    seconds = time.perf_counter() - began
    latencies = sorted(cart.seconds for cart in posted)
    parts = {"median ms": 1000 * latencies[len(latencies) // 2], "slowest ms": 1000 * latencies[-1]}
    _finish(side, posted, rig.plan.limit)
    resets = sum(cart.resets for cart in posted)
    note = f"{resets} connections reset" if resets else ""
    rate = len(carts) / seconds
    return Record("W5", f"POST, {POSTERS} at once", side.name, rate, PER_SECOND, parts=parts, note=note)


def _large_post(rig: Rig, side: Side, source: FileSet) -> Record:
    rig.settle()
    posted = _post_all(side, [source.take(rig.label(), rig.plan.w1_files)])
    _finish(side, posted, rig.plan.limit)
    return Record("W5", "POST of W1's cart", side.name, posted[0].seconds, files=rig.plan.w1_files)


def _lanes(carts: Sequence[Sequence[File]]) -> list[Sequence[Sequence[File]]]:
    return [carts[lane::POSTERS] for lane in range(POSTERS)]


def _post_all(side: Side, carts: Sequence[Sequence[File]]) -> list[Posted]:
    """POST the carts one after another on one connection; a HEAD opens it before the first POST is timed."""
    client = CartClient(side.url)
    client.head(uuid.uuid4().hex)
    posted = []
    for files in carts:
        uid, before = uuid.uuid4().hex, client.resets
        posted.append(Posted(uid, client.post(uid, files), client.resets - before))
    client.close()
    return posted


def _finish(side: Side, posted: Sequence[Posted], limit: float) -> None:
    """Wait for each cart to end, then delete it."""
    client = CartClient(side.url)
    for cart in posted:
        client.wait(cart.uid, limit)
        client.delete(cart.uid)
    client.close()
