"""W1, W2, W4, W7, W8: carts of small files. Ours, the peer and the floor take turns: only neighbours compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench import floor
from bench.archives import TheArchive
from bench.bare_store import BareStore
from bench.files import File, Set, total
from bench.laboratory import Laboratory
from bench.measure import Side, checked, delete, make_carts, ours_warm
from bench.ours import Ours
from bench.plan import MEDIUM, SMALL, bundle_bytes
from bench.records import FLOOR, Record

LATE_PULLS = 2  # PULL_CONCURRENCY of W8


def w1_and_w7(lab: Laboratory, wanted: Sequence[str]) -> None:
    count = lab.plan.w1_files
    source = lab.files(SMALL, count)
    with ours_warm(lab, lab.real) as system:
        for run in range(lab.plan.runs):
            files = source.take(lab.label(), count)
            _cart(lab, system, lab.real, "W1", files, verify=not run)
            if "W7" in wanted:
                _cart(lab, system, lab.real, "W7", files, verify=not run)
            if "W1" in wanted:
                _peer(lab, "W1", source.take(lab.label(), count))
                lab.note(floor_of(lab.store(system), lab, lab.real, "W1", [source.take(lab.label(), count)]))
    if "W1" in wanted:
        _on_the_simulator(lab, "W1", count)


def w2(lab: Laboratory, _wanted: Sequence[str]) -> None:
    count = lab.plan.w2_files
    source = lab.files(SMALL, max(count, *lab.plan.w2_peer_files))
    runs = -(-lab.plan.runs // 2)
    with ours_warm(lab, lab.real) as system:
        for run in range(runs):
            _cart(lab, system, lab.real, "W2", source.take(lab.label(), count), verify=not run)
            lab.note(floor_of(lab.store(system), lab, lab.real, "W2", [source.take(lab.label(), count)]))
        parts = [source.take(lab.label(), some) for some in lab.plan.w2_peer_files]
        measured = [_peer(lab, "W2", part, f"{len(part):,} files") for part in parts]
        if modelled := model([record for record in measured if record], count):
            lab.note(modelled)
    _on_the_simulator(lab, "W2", count)


def w4(lab: Laboratory, _wanted: Sequence[str]) -> None:
    carts, each = lab.plan.w4_carts, lab.plan.w4_files
    source = lab.files(MEDIUM, carts * each)
    with ours_warm(lab, lab.real) as system:
        for _ in range(lab.plan.runs):
            for side in (system, lab.peer):
                if side:
                    record, ended = make_carts(lab, side, lab.real, "W4", _split(source, lab.label(), carts, each))
                    lab.note(checked(record, side, ended))
                    delete(side, ended)
            if lab.peer:
                lab.peer.empty_volume()
            lab.note(floor_of(lab.store(system), lab, lab.real, "W4", _split(source, lab.label(), carts, each)))


def w8(lab: Laboratory, _wanted: Sequence[str]) -> None:
    count = lab.plan.w1_files
    source = lab.files(SMALL, count)
    for _ in range(-(-lab.plan.runs // 2)):
        for workers in lab.plan.w8_workers:
            with ours_warm(lab, lab.simulator, workers, PULL_CONCURRENCY=str(LATE_PULLS)) as system:
                lab.simulator.answer_after(lab.plan.w8_latency_ms)
                try:
                    _late_archive(lab, system, workers, source.take(lab.label(), count))
                finally:
                    lab.simulator.answer_after(0)


def floor_of(
    store: BareStore,
    lab: Laboratory,
    archive: TheArchive,
    workload: str,
    carts: Sequence[Sequence[File]],
    threads: int = floor.THREADS,
) -> Record:
    """The floor of these carts: all their files pulled, then all their bundles put."""
    lab.settle()
    files = [file for cart in carts for file in cart]
    bundles = [bundle_bytes(len(cart), cart[0].size) for cart in carts]
    get_only = floor.pull(archive.url, files, floor.GET_ONLY, threads)
    both = floor.pull(archive.url, files, floor.BOTH, threads)
    put = store.put(bundles)
    parts = {"head+get": both, "get only": get_only, "put": put}
    variant = f"{archive.name} archive"
    return Record(workload, variant, FLOOR, both + put, files=len(files), size=total(files), parts=parts)


def model(measured: Sequence[Record], files: int) -> Record | None:
    """The peer's time for so many files, from two sizes: a part that grows with their number, one with its square."""
    if len(measured) != 2 or any(record.problem for record in measured):
        return None
    (few, many) = measured
    slope_few, slope_many = few.figure / few.files, many.figure / many.files
    square = (slope_many - slope_few) / (many.files - few.files)
    linear = slope_few - square * few.files
    note = f"the peer's is modelled from {few.files:,} and {many.files:,} files"
    figure = linear * files + square * files**2
    return Record(many.workload, "real archive", many.side, figure, files=files, note=note)


def _late_archive(lab: Laboratory, system: Ours, workers: int, files: Sequence[File]) -> None:
    variant = f"{workers} worker{'s' * (workers > 1)}"
    record, ended = make_carts(lab, system, lab.simulator, "W8", [files])
    lab.note(replace(record, variant=variant))
    delete(system, ended)
    least = floor_of(lab.store(system), lab, lab.simulator, "W8", [files], LATE_PULLS * workers)
    lab.note(replace(least, variant=variant))


def _on_the_simulator(lab: Laboratory, workload: str, count: int) -> None:
    source = lab.files(SMALL, count)
    with ours_warm(lab, lab.simulator) as system:
        for run in range(lab.plan.runs):
            _cart(lab, system, lab.simulator, workload, source.take(lab.label(), count), verify=not run)
            lab.note(floor_of(lab.store(system), lab, lab.simulator, workload, [source.take(lab.label(), count)]))


def _cart(
    lab: Laboratory,
    side: Side,
    archive: TheArchive,
    workload: str,
    files: Sequence[File],
    *,
    verify: bool,
    variant: str = "",
) -> Record:
    record, ended = make_carts(lab, side, archive, workload, [files])
    record = replace(record, variant=variant or record.variant)
    record = checked(record, side, ended) if verify and not record.problem else record
    lab.note(record)
    delete(side, ended)
    return record


def _peer(lab: Laboratory, workload: str, files: Sequence[File], variant: str = "") -> Record | None:
    """The same cart by the peer, which keeps nothing of it; None where there is no peer."""
    if lab.peer is None:
        return None
    record = _cart(lab, lab.peer, lab.real, workload, files, verify=True, variant=variant)
    lab.peer.empty_volume()
    return record


def _split(source: Set, label: str, carts: int, each: int) -> list[list[File]]:
    files = source.take(label, carts * each)
    return [files[first : first + each] for first in range(0, len(files), each)]
