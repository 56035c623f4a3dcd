"""W5: how fast the API answers HEAD on a ready cart, and takes carts."""

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
from bench.files import File, Set
from bench.laboratory import Laboratory
from bench.measure import Side, ours_warm
from bench.plan import SMALL
from bench.records import PER_SECOND, Record
from infra.local.process import ROOT

CONNECTIONS = (1, 8, 32)
POSTERS = 4
FEW = 10


@dataclass(frozen=True, slots=True)
class Posted:
    uid: str
    seconds: float = 0.0
    resets: int = 0


def w5(lab: Laboratory, _wanted: Sequence[str]) -> None:
    source = lab.files(SMALL, max(lab.plan.w1_files, lab.plan.posts))
    with ours_warm(lab, lab.real) as system:
        sides: list[Side] = [system, *filter(None, [lab.peer])]
        uids = [_ready_cart(side, source, lab) for side in sides]
        for _ in range(lab.plan.runs):
            for connections in CONNECTIONS:
                for side, uid in zip(sides, uids, strict=True):
                    lab.note(_heads(lab, side, uid, connections))
            for side in sides:
                lab.note(_posts(lab, side, source))
                lab.note(_large_post(lab, side, source))
        for side, uid in zip(sides, uids, strict=True):
            _finish(side, [Posted(uid)], lab.plan.limit)


def _ready_cart(side: Side, source: Set, lab: Laboratory) -> str:
    """Its uid."""
    client, uid = CartClient(side.url), uuid.uuid4().hex
    client.post(uid, source.take(lab.label(), FEW))
    client.wait(uid, lab.plan.limit)
    client.close()
    return uid


def _heads(lab: Laboratory, side: Side, uid: str, connections: int) -> Record:
    lab.settle()
    hammer = [sys.executable, "-m", "bench.hammer", f"{side.url}/{uid}", str(connections), str(lab.plan.heads)]
    done = subprocess.run(hammer, cwd=ROOT, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    problem = f"{said['failed']} requests failed" if said["failed"] else ""
    parts = {"median ms": said["median_ms"], "p99 ms": said["p99_ms"]}
    rate = said["per_second"]
    return Record("W5", f"HEAD, {connections} at once", side.name, rate, PER_SECOND, parts=parts, problem=problem)


def _posts(lab: Laboratory, side: Side, source: Set) -> Record:
    """Carts of one file by POSTERS clients; the time is that of the answers alone, the work goes on meanwhile."""
    lab.settle()
    carts = [[file] for file in source.take(lab.label(), lab.plan.posts)]
    began = time.perf_counter()
    with ThreadPoolExecutor(POSTERS) as pool:
        posted = [cart for lane in pool.map(lambda lane: _post_all(side, lane), _lanes(carts)) for cart in lane]
    seconds = time.perf_counter() - began
    latencies = sorted(cart.seconds for cart in posted)
    parts = {"median ms": 1000 * latencies[len(latencies) // 2], "slowest ms": 1000 * latencies[-1]}
    _finish(side, posted, lab.plan.limit)
    resets = sum(cart.resets for cart in posted)
    note = f"{resets} connections reset" if resets else ""
    rate = len(carts) / seconds
    return Record("W5", f"POST, {POSTERS} at once", side.name, rate, PER_SECOND, parts=parts, note=note)


def _large_post(lab: Laboratory, side: Side, source: Set) -> Record:
    lab.settle()
    posted = _post_all(side, [source.take(lab.label(), lab.plan.w1_files)])
    _finish(side, posted, lab.plan.limit)
    return Record("W5", "POST of W1's cart", side.name, posted[0].seconds, files=lab.plan.w1_files)


def _lanes(carts: Sequence[Sequence[File]]) -> list[Sequence[Sequence[File]]]:
    return [carts[lane::POSTERS] for lane in range(POSTERS)]


def _post_all(side: Side, carts: Sequence[Sequence[File]]) -> list[Posted]:
    """One after the other on one connection, which is open before the first."""
    client = CartClient(side.url)
    client.head(uuid.uuid4().hex)
    posted = []
    for files in carts:
        uid, before = uuid.uuid4().hex, client.resets
        posted.append(Posted(uid, client.post(uid, files), client.resets - before))
    client.close()
    return posted


def _finish(side: Side, posted: Sequence[Posted], limit: float) -> None:
    """Let the carts end, then remove them."""
    client = CartClient(side.url)
    for cart in posted:
        client.wait(cart.uid, limit)
        client.delete(cart.uid)
    client.close()
