"""W3 and W6: a few large files, to ready, to the client's disk, and the download alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import floor
from bench.bare_store import BareStore
from bench.client import fetch, redirect_of
from bench.files import File, Set, total
from bench.laboratory import Laboratory
from bench.measure import Ended, Side, checked, delete, make_carts, ours_warm
from bench.meter import Meter
from bench.plan import MIB, bundle_bytes
from bench.records import FLOOR, MIB_PER_SECOND, Record

TO_DISK = "to the client's disk"


def w3_and_w6(lab: Laboratory, wanted: Sequence[str]) -> None:
    """Ours starts anew for each repetition, or the volume and the store would hold them all."""
    source = lab.files(lab.plan.w3_size, lab.plan.w3_files)
    for run in range(-(-lab.plan.runs // 2)):
        with ours_warm(lab, lab.real) as system:
            _one_side(lab, system, _take(lab, source), wanted, verify=not run)
            if "W3" in wanted:
                lab.note(_floor(lab, lab.store(system), _take(lab, source)))
        if lab.peer:
            _one_side(lab, lab.peer, _take(lab, source), wanted, verify=not run)
            lab.peer.empty_volume()


def _take(lab: Laboratory, source: Set) -> list[File]:
    return source.take(lab.label(), lab.plan.w3_files)


def _one_side(lab: Laboratory, side: Side, files: Sequence[File], wanted: Sequence[str], *, verify: bool) -> None:
    record, ended = make_carts(lab, side, lab.real, "W3", [files])
    if not record.problem:
        downloaded = _to_disk(lab.folder / "download.tar", side, ended[0])
        record = checked(record, side, ended) if verify else record
        lab.note(record)
        both = {"ready": record.figure, "download": downloaded}
        lab.note(replace(record, variant=TO_DISK, figure=record.figure + downloaded, parts=both, cost=None))
        if "W6" in wanted:
            _downloads(lab, side, ended[0])
    else:
        lab.note(record)
    delete(side, ended)


def _to_disk(target: Path, side: Side, cart: Ended) -> float:
    began = time.perf_counter()
    with target.open("wb", buffering=0) as out:
        fetch(f"{side.url}/{cart.uid}", out)
    seconds = time.perf_counter() - began
    target.unlink()
    return seconds


def _downloads(lab: Laboratory, side: Side, cart: Ended) -> None:
    """Beside ours, its floor: the store asked at once, without the redirect."""
    url = f"{side.url}/{cart.uid}"
    lab.note(_download(lab, side, url, side.name))
    direct = redirect_of(url)
    if direct != url:
        lab.note(_download(lab, side, direct, FLOOR))


def _download(lab: Laboratory, side: Side, url: str, name: str) -> Record:
    lab.settle()
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


def _floor(lab: Laboratory, store: BareStore, files: Sequence[File]) -> Record:
    """The slower of pulling and storing the same bytes; with it, what checksums add to the latter."""
    lab.settle()
    bundle = bundle_bytes(len(files), files[0].size)
    pull = floor.pull(lab.real.url, files)
    put = store.put([bundle])
    parts = {"head+get": pull, "put": put, "put with checksums": store.put_checked([bundle])}
    variant = f"{lab.real.name} archive"
    return Record("W3", variant, FLOOR, max(pull, put), files=len(files), size=total(files), parts=parts)
