"""Which dependency an error is of, and its name in sentences. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.db.states import WaitsFor
from chalicelib.errors import (
    ArchiveUnavailable,
    DatabaseUnavailable,
    PolicyUnavailable,
    QueueUnavailable,
    StoreUnavailable,
    TransientError,
    VolumeUnavailable,
)

_OF_ERRORS: Mapping[type[TransientError], WaitsFor] = {
    ArchiveUnavailable: WaitsFor.ARCHIVE,
    DatabaseUnavailable: WaitsFor.DATABASE,
    PolicyUnavailable: WaitsFor.POLICY,
    QueueUnavailable: WaitsFor.QUEUE,
    StoreUnavailable: WaitsFor.STORE,
    VolumeUnavailable: WaitsFor.SPACE,
}

#: As in "waits for ...".
NAMES: Mapping[WaitsFor, str] = {
    WaitsFor.WORKER: "a worker",
    WaitsFor.ARCHIVE: "the archive",
    WaitsFor.TAPE: "files on tape",
    WaitsFor.SPACE: "the volume",
    WaitsFor.STORE: "the bundle store",
    WaitsFor.QUEUE: "the job queue",
    WaitsFor.DATABASE: "the database",
    WaitsFor.POLICY: "the policy",
    WaitsFor.LIMIT: "its owner's limit",
    WaitsFor.TURN: "its turn",
    WaitsFor.PAUSE: "the end of a pause",
    WaitsFor.RETRY: "another attempt",
}
#: What waits for these is in order; what waits for anything else is a warning.
IN_ORDER = (WaitsFor.WORKER, WaitsFor.TAPE, WaitsFor.SPACE, WaitsFor.LIMIT, WaitsFor.TURN, WaitsFor.PAUSE)


def waits_of(error: TransientError) -> WaitsFor:
    """What a job waits for after this error."""
    return next((word for kind, word in _OF_ERRORS.items() if isinstance(error, kind)), WaitsFor.RETRY)
