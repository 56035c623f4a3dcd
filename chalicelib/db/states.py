"""The values of state columns that the API reads as well as the workers. Pure."""

from __future__ import annotations

from enum import StrEnum


class WindowState(StrEnum):
    """`tape -> online -> taken -> reserved -> staged -> done`, or `dropped` when the cart ends early.

    `taken`: a job exists for it. `reserved`: the volume has room for its files.
    """

    TAPE = "tape"
    ONLINE = "online"
    TAKEN = "taken"
    RESERVED = "reserved"
    STAGED = "staged"
    DONE = "done"
    DROPPED = "dropped"


class FileState(StrEnum):
    """A file that is neither being pulled nor staged has no row."""

    PULLING = "pulling"
    STAGED = "staged"
