"""One row of jobs, as the stores read it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from chalicelib.job_message import Claim

NO_CART = 0  # cart_id of a job that belongs to no cart


class JobKind(StrEnum):
    MANIFEST = "manifest"  # of the previous release, whose workers do not know of rows of uploads; for one release
    UPLOAD = "upload"
    RECALL = "recall"
    WINDOW = "window"
    CLEANUP = "cleanup"
    RECONCILE = "reconcile"
    ASSIST = "assist"
    POLICY = "policy"
    RESTART = "restart"
    EVICT = "evict"
    LOOK = "look"


class CleanupPass(IntEnum):
    """The `window` of a clean-up job.

    The last pass runs when every worker of the cart must have stopped. The sweep adds a job of pass ROWS for a cart
    whose rows were kept until now.
    """

    FIRST = 0
    LAST = 1
    ROWS = 2


class ReconcilePass(IntEnum):
    """The `window` of a reconcile job: a few directories of the volume, as the sweep asks for, or the whole of it."""

    SOME = 0
    WHOLE = 1


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job. `attempts` includes this one; `token` fences this claim's writes.

    `kind` is a str, not a JobKind: a newer version may have added kinds this code does not know.
    """

    id: int
    cart_id: int
    kind: str
    window: int
    attempts: int
    token: int
    progress_at: float
    last_error: str
    #: whose turn it was, and whether the cart was small then
    line: str = ""
    small: int = 0
    #: for what it waits since its last progress, in one word, void for nothing; and since when
    waits_for: str = ""
    waits_since: float | None = None
    #: the id of the request that posted its cart
    request: str = ""
    #: its cart's; `line` has the owner only if the job waits for its turn among the owner's
    uid: str = ""
    owner: str = ""

    @property
    def claim(self) -> Claim:
        return Claim(self.id, self.token)


MANY_PER_CART = (JobKind.WINDOW, JobKind.ASSIST)
