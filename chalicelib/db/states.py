"""The values of state columns that the API reads as well as the workers. Pure."""

from __future__ import annotations

from enum import StrEnum


class WindowState(StrEnum):
    """`tape -> online -> taken -> reserved -> staged -> done`, or `dropped` when the cart ends early.

    `taken`: a job exists for it. `reserved`: the volume has room for its files. `held`: it is generated from all other
    windows, so it waits for these, and then is `staged` at once.
    """

    HELD = "held"

    TAPE = "tape"
    ONLINE = "online"
    TAKEN = "taken"
    RESERVED = "reserved"
    STAGED = "staged"
    DONE = "done"
    DROPPED = "dropped"


class WaitsFor(StrEnum):
    """What an unfinished cart, or one of its jobs, waits for.

    `worker`: a free one; `queue`: its message; `turn`: others go first; `pause`: an operator has paused the work;
    `limit`: its owner's; `policy`: the site's answer; `retry`: an attempt has failed. The others are dependencies.
    """

    WORKER = "worker"
    ARCHIVE = "archive"
    TAPE = "tape"
    SPACE = "space"
    STORE = "store"
    QUEUE = "queue"
    DATABASE = "database"
    POLICY = "policy"
    LIMIT = "limit"
    TURN = "turn"
    PAUSE = "pause"
    RETRY = "retry"


class FileState(StrEnum):
    """A file that is none of these has no row. `evicting`: it is being removed from the disk."""

    PULLING = "pulling"
    STAGED = "staged"
    EVICTING = "evicting"
