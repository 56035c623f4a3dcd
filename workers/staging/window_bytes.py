"""What a window takes of the volume, by what has to be done for its files. Pure, but for what it counts."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.db.states import WindowState
from chalicelib.metrics import definitions as metrics
from chalicelib.metrics.counting import counts
from chalicelib.readable_size import distinct_sizes, readable_size
from workers.files.file_spec import FileSpec
from workers.files.volume import allocated_bytes
from workers.staging.file_actions import FileActions
from workers.staging.window_work import WindowWork
from workers.stores.staged_files import StagedFile


def count_files(work: WindowWork, actions: FileActions) -> None:
    """Once for each window, not again where it takes over its reservation."""
    if work.window.state == WindowState.TAKEN:
        counts.add(metrics.FILES, "volume", by=len(actions.ready) + len(actions.verify))
        counts.add(metrics.FILES, "archive", by=len(actions.pull))


def bytes_of(specs: Mapping[str, FileSpec]) -> int:
    """What these files take on the volume."""
    return sum(allocated_bytes(spec.size) for spec in specs.values())


def bytes_to_charge(actions: FileActions, found: Mapping[str, StagedFile]) -> int:
    """Bytes to charge beyond what the files to pull are charged already."""
    pull: list[FileSpec] = actions.pull
    held = sum(allocated_bytes(found[spec.archive_id].size) for spec in pull if spec.archive_id in found)
    return sum(allocated_bytes(spec.size) for spec in pull) - held


def bytes_to_claim(actions: FileActions, found: Mapping[str, StagedFile]) -> int:
    """Bytes that the window takes from those that wait: to be charged, or of files that could be evicted until now."""
    idle = [old for old in found.values() if not old.pins]
    pulled = {spec.archive_id for spec in actions.pull}
    replaced = sum(allocated_bytes(old.size) for old in idle if old.archive_id in pulled)
    pinned = sum(allocated_bytes(old.size) for old in idle if old.archive_id not in pulled)
    return max(0, bytes_to_charge(actions, found)) + replaced + pinned


def why_no_space(work: WindowWork, needed: int, capacity: int) -> str:
    """`needed`: bytes on the volume. Names the window's largest file."""
    largest = max(work.entries, key=lambda entry: int(entry.size))
    if largest.size > capacity:
        size, room = distinct_sizes(largest.size, capacity)
        return f"file '{largest.path}' ({size}) does not fit the volume ({room})"
    size, room = distinct_sizes(needed, capacity)
    largest_of = f"the largest is '{largest.path}' ({readable_size(largest.size)})"
    if needed > capacity:
        return f"files need {size} at once, the volume holds {room}; {largest_of}"
    return f"{size} are needed ({largest_of}), and the volume ({room}) is filled by something else"
