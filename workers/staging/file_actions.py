"""What a window has to do for each of its files, decided by the file's row. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chalicelib.db.states import FileState
from workers.files import crc64nvme
from workers.files.file_spec import FileSpec
from workers.stores.staged_files import StagedFile


@dataclass(slots=True)
class FileActions:
    """The files of a window, by what has to be done for them."""

    pull: list[FileSpec] = field(default_factory=list)
    #: staged, but a hash that the manifest asks for is not known yet
    verify: list[FileSpec] = field(default_factory=list)
    #: another job is pulling it, or evicting it
    wait: list[FileSpec] = field(default_factory=list)
    ready: list[FileSpec] = field(default_factory=list)


def decide_actions(job_id: int, specs: Iterable[FileSpec], found: Mapping[str, StagedFile]) -> FileActions:
    """Sort files by what job `job_id` has to do for them. `found`: their rows."""
    actions = FileActions()
    for spec in specs:
        old = found.get(spec.archive_id)
        if in_hands_of_another(job_id, old):
            actions.wait.append(spec)
        elif old is None or old.state != FileState.STAGED or (old.size, old.mtime_ns) != (spec.size, spec.mtime_ns):
            actions.pull.append(spec)
        else:
            _by_hash(spec, old, actions)
    return actions


def in_hands_of_another(job_id: int, old: StagedFile | None) -> bool:
    """Whether another job is pulling the file, or evicting it. It has one such job, which alone changes its state."""
    return old is not None and old.state != FileState.STAGED and old.puller not in (0, job_id)


def _by_hash(spec: FileSpec, old: StagedFile, actions: FileActions) -> None:
    hashes = [(old.hashes.get(name), expected) for name, expected in spec.hashes]
    if any(known is not None and known != expected for known, expected in hashes):
        actions.pull.append(spec)  # the archive may have replaced the file: pull it again before reporting a mismatch
    elif any(known is None for known, _ in hashes) or not old.hashes.keys() >= {crc64nvme.NAME, *spec.also}:
        actions.verify.append(spec)
    else:
        actions.ready.append(spec)
