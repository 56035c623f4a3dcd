"""What has to be done for each file a window wants, decided by the catalogue's row of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from workers.files import crc64nvme

PULLING, STAGED = "pulling", "staged"


@dataclass(frozen=True, slots=True)
class FileSpec:
    """A file as a cart's layout has it; `hashes` are those its entries name (name, hex)."""

    archive_id: str
    size: int
    mtime_ns: int
    hashes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file's row: what lies on the volume, or is being pulled by job `puller` (0 when that is dead)."""

    archive_id: str
    state: str
    puller: int
    size: int
    mtime_ns: int
    hashes: Mapping[str, str]
    pins: int


@dataclass(slots=True)
class FileActions:
    """What is to be done for each file a window wants."""

    pull: list[FileSpec] = field(default_factory=list)
    hash: list[FileSpec] = field(default_factory=list)  # staged, but by a hash the catalogue does not know
    wait: list[FileSpec] = field(default_factory=list)  # another job is pulling it
    ready: list[FileSpec] = field(default_factory=list)


def sort(job_id: int, wanted: Iterable[FileSpec], known: Mapping[str, StagedFile]) -> FileActions:
    """Decide for each wanted file, by its row, what has to be done for it."""
    result = FileActions()
    for want in wanted:
        old = known.get(want.archive_id)
        if pulled_by_another(job_id, old):
            result.wait.append(want)
        elif old is None or old.state == PULLING or (old.size, old.mtime_ns) != (want.size, want.mtime_ns):
            result.pull.append(want)
        else:
            _by_hash(want, old, result)
    return result


def pulled_by_another(job_id: int, old: StagedFile | None) -> bool:
    """Whether a file is to be left to the job that is at it: a file has one puller, who alone records it as staged."""
    return old is not None and old.state == PULLING and old.puller not in (0, job_id)


def _by_hash(want: FileSpec, old: StagedFile, result: FileActions) -> None:
    known = [(old.hashes.get(name), wanted) for name, wanted in want.hashes]
    if any(have is not None and have != wanted for have, wanted in known):
        result.pull.append(want)  # the archive may have replaced the file: pulled anew before that is an error
    elif any(have is None for have, _ in known) or crc64nvme.NAME not in old.hashes:
        result.hash.append(want)
    else:
        result.ready.append(want)
