"""W1, W2, W4, W7, W8: carts of small files. The sides take turns, because the machine's speed changes over a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench import floor_pull
from bench.archives import Archive
from bench.cart_system import CartSystem
from bench.files import File, FileSet, total
from bench.floor_upload import FloorUploader
from bench.measure import Side, check_tars, delete, make_carts, warm_cart
from bench.plan import MEDIUM, SMALL, bundle_bytes
from bench.records import FLOOR, Record
from bench.rig import Rig

W8_PULL_CONCURRENCY = 2


def w1_and_w7(rig: Rig, only: Sequence[str]) -> None:
    count = rig.plan.w1_files
    source = rig.files(SMALL, count)
    with warm_cart(rig, rig.real) as system:
        for run in range(rig.plan.runs):
            files = source.take(rig.label(), count)
            _cart(rig, system, rig.real, "W1", files, verify=not run)
            if "W7" in only:
                _cart(rig, system, rig.real, "W7", files, verify=not run)
            if "W1" in only:
                _peer(rig, "W1", source.take(rig.label(), count))
                rig.note(floor_of(rig.floor_uploader(system), rig, rig.real, "W1", [source.take(rig.label(), count)]))
    if "W1" in only:
        _on_the_simulator(rig, "W1", count)


def w2(rig: Rig, _only: Sequence[str]) -> None:
    count = rig.plan.w2_files
    source = rig.files(SMALL, max(count, *rig.plan.w2_peer_files))
    runs = -(-rig.plan.runs // 2)
    with warm_cart(rig, rig.real) as system:
        for run in range(runs):
            _cart(rig, system, rig.real, "W2", source.take(rig.label(), count), verify=not run)
            rig.note(floor_of(rig.floor_uploader(system), rig, rig.real, "W2", [source.take(rig.label(), count)]))
        samples = [source.take(rig.label(), size) for size in rig.plan.w2_peer_files]
        measured = [_peer(rig, "W2", sample, f"{len(sample):,} files") for sample in samples]
        if modelled := model([record for record in measured if record], count):
            rig.note(modelled)
    _on_the_simulator(rig, "W2", count)


def w4(rig: Rig, _only: Sequence[str]) -> None:
    carts, each = rig.plan.w4_carts, rig.plan.w4_files
    source = rig.files(MEDIUM, carts * each)
    with warm_cart(rig, rig.real) as system:
        for _ in range(rig.plan.runs):
            for side in (system, rig.peer):
                if side:
                    record, finished = make_carts(rig, side, rig.real, "W4", _split(source, rig.label(), carts, each))
                    rig.note(check_tars(record, side, finished))
                    delete(side, finished)
            if rig.peer:
                rig.peer.empty_volume()
            rig.note(
                floor_of(rig.floor_uploader(system), rig, rig.real, "W4", _split(source, rig.label(), carts, each))
            )


def w8(rig: Rig, _only: Sequence[str]) -> None:
    count = rig.plan.w1_files
    source = rig.files(SMALL, count)
    for _ in range(-(-rig.plan.runs // 2)):
        for workers in rig.plan.w8_workers:
            with warm_cart(rig, rig.simulator, workers, PULL_CONCURRENCY=str(W8_PULL_CONCURRENCY)) as system:
                rig.simulator.set_latency(rig.plan.w8_latency_ms)
                try:
                    _slow_archive(rig, system, workers, source.take(rig.label(), count))
                finally:
                    rig.simulator.set_latency(0)


def floor_of(
    uploader: FloorUploader,
    rig: Rig,
    archive: Archive,
    workload: str,
    carts: Sequence[Sequence[File]],
    threads: int = floor_pull.THREADS,
) -> Record:
    """The floor of these carts: pull all their files, then upload as many bytes as their bundles have."""
    rig.settle()
    files = [file for cart in carts for file in cart]
    bundles = [bundle_bytes(len(cart), cart[0].size) for cart in carts]
    get_only = floor_pull.pull(archive.url, files, floor_pull.GET_ONLY, threads)
    both = floor_pull.pull(archive.url, files, floor_pull.BOTH, threads)
    put = uploader.put(bundles)
    parts = {"head+get": both, "get only": get_only, "put": put}
    variant = f"{archive.name} archive"
    return Record(workload, variant, FLOOR, both + put, files=len(files), size=total(files), parts=parts)


def model(measured: Sequence[Record], files: int) -> Record | None:
    """The peer's time for `files` files, modelled as a*n + b*n^2 from its times for two smaller numbers of files."""
    if len(measured) != 2 or any(record.problem for record in measured):
        return None
    (few, many) = measured
    slope_few, slope_many = few.figure / few.files, many.figure / many.files
    square = (slope_many - slope_few) / (many.files - few.files)
    linear = slope_few - square * few.files
    note = f"the peer's figure is modelled from {few.files:,} and {many.files:,} files"
    figure = linear * files + square * files**2
    return Record(many.workload, "real archive", many.side, figure, files=files, note=note)


def _slow_archive(rig: Rig, system: CartSystem, workers: int, files: Sequence[File]) -> None:
    variant = f"{workers} worker{'s' * (workers > 1)}"
    record, finished = make_carts(rig, system, rig.simulator, "W8", [files])
    rig.note(replace(record, variant=variant))
    delete(system, finished)
    uploader, threads = rig.floor_uploader(system), W8_PULL_CONCURRENCY * workers
    rig.note(replace(floor_of(uploader, rig, rig.simulator, "W8", [files], threads), variant=variant))


def _on_the_simulator(rig: Rig, workload: str, count: int) -> None:
    source = rig.files(SMALL, count)
    with warm_cart(rig, rig.simulator) as system:
        for run in range(rig.plan.runs):
            _cart(rig, system, rig.simulator, workload, source.take(rig.label(), count), verify=not run)
            rig.note(
                floor_of(rig.floor_uploader(system), rig, rig.simulator, workload, [source.take(rig.label(), count)])
            )


def _cart(
    rig: Rig,
    side: Side,
    archive: Archive,
    workload: str,
    files: Sequence[File],
    *,
    verify: bool,
    variant: str = "",
) -> Record:
    record, finished = make_carts(rig, side, archive, workload, [files])
    record = replace(record, variant=variant or record.variant)
    record = check_tars(record, side, finished) if verify and not record.problem else record
    rig.note(record)
    delete(side, finished)
    return record


def _peer(rig: Rig, workload: str, files: Sequence[File], variant: str = "") -> Record | None:
    """Make the cart with the peer and empty its volume; None when the peer is not available."""
    if rig.peer is None:
        return None
    record = _cart(rig, rig.peer, rig.real, workload, files, verify=True, variant=variant)
    rig.peer.empty_volume()
    return record


def _split(source: FileSet, label: str, carts: int, each: int) -> list[list[File]]:
    files = source.take(label, carts * each)
    return [files[first : first + each] for first in range(0, len(files), each)]
