"""W3: a few large files, from POST to ready and to the client's disk. W6: the download alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import floor_pull
from bench.client import fetch, redirect_of
from bench.files import File, FileSet, total
from bench.floor_upload import FloorUploader
from bench.measure import FinishedCart, Side, check_tars, delete, make_carts, warm_cart
from bench.meter import Meter
from bench.plan import GIB, MIB, bundle_bytes
from bench.programs import output_of
from bench.records import FLOOR, MIB_PER_SECOND, Record
from bench.rig import Rig
from bench.summary import WORKER_CPU

TO_DISK = "to the client's disk"


def w3_and_w6(rig: Rig, only: Sequence[str]) -> None:
    """The cart is restarted for each repetition; otherwise volume and store would hold the data of all of them."""
    source = rig.files(rig.plan.w3_size, rig.plan.w3_files)
    for run in range(-(-rig.plan.runs // 2)):
        with warm_cart(rig, rig.real) as system:
            _one_side(rig, system, _take(rig, source), only, verify=not run)
            if "W3" in only:
                rig.note(_floor(rig, rig.floor_uploader(system), _take(rig, source)))
                rig.note(_by_hand(rig, _take(rig, source)))
        if rig.peer:
            _one_side(rig, rig.peer, _take(rig, source), only, verify=not run)
            rig.peer.empty_volume()


def _take(rig: Rig, source: FileSet) -> list[File]:
    return source.take(rig.label(), rig.plan.w3_files)


def _one_side(rig: Rig, side: Side, files: Sequence[File], only: Sequence[str], *, verify: bool) -> None:
    record, finished = make_carts(rig, side, rig.real, "W3", [files])
    if not record.problem:
        downloaded = _to_disk(rig.folder / "download.tar", side, finished[0])
        record = check_tars(record, side, finished) if verify else record
        rig.note(record)
        both = {"ready": record.figure, "download": downloaded}
        rig.note(replace(record, variant=TO_DISK, figure=record.figure + downloaded, parts=both, cost=None))
        if record.cost and "workers" in side.groups() and side is not rig.peer:
            cpu = record.cost.reading.cpu["workers"] * GIB / record.size
            rig.note(replace(record, variant=WORKER_CPU, figure=cpu, parts={}, cost=None))
        if "W6" in only:
            _downloads(rig, side, finished[0])
    else:
        rig.note(record)
    delete(side, finished)


def _by_hand(rig: Rig, files: Sequence[File]) -> Record:
    """CPU seconds per GiB of the same bytes, without a cart."""
    rig.settle()
    parts = output_of("bench.by_hand", rig.real.url, str(rig.folder / "hand"), *(file.archive_id for file in files))
    return Record("W3", WORKER_CPU, FLOOR, sum(parts.values()), size=total(files), parts=parts)


def _to_disk(target: Path, side: Side, cart: FinishedCart) -> float:
    """Download the bundle to a file; returns seconds."""
    began = time.perf_counter()
    with target.open("wb", buffering=0) as out:
        fetch(f"{side.url}/{cart.uid}", out)
    seconds = time.perf_counter() - began
    target.unlink()
    return seconds


def _downloads(rig: Rig, side: Side, cart: FinishedCart) -> None:
    """Measure the download and, for a side that redirects, its floor: a GET straight from the store."""
    url = f"{side.url}/{cart.uid}"
    rig.note(_download(rig, side, url, side.name))
    direct = redirect_of(url)
    if direct != url:
        rig.note(_download(rig, side, direct, FLOOR))


def _download(rig: Rig, side: Side, url: str, name: str) -> Record:
    rig.settle()
    meter = Meter(side.groups())
    received = fetch(url, None)
    reading = meter.stop()
    return Record(
        "W6",
        "to nowhere",
        name,
        received / MIB / reading.seconds,
        MIB_PER_SECOND,
        size=received,
        parts={f"CPU s of {group}": used for group, used in reading.cpu.items() if used},
    )


def _floor(rig: Rig, store: FloorUploader, files: Sequence[File]) -> Record:
    """The slower of pulling and storing the same bytes; the parts also show storing with checksums."""
    rig.settle()
    bundle = bundle_bytes(len(files), files[0].size)
    pull = floor_pull.pull(rig.real.url, files)
    put = store.put([bundle])
    parts = {"head+get": pull, "put": put, "put with checksums": store.put_checked([bundle])}
    variant = f"{rig.real.name} archive"
    return Record("W3", variant, FLOOR, max(pull, put), files=len(files), size=total(files), parts=parts)
