"""Errors that cross packages. One that a single package raises and its callers catch is defined beside its class.

    CartError
    ├── BadRequest            the client can correct the request
    │   ├── InvalidManifest
    │   └── InvalidUid
    ├── BodyTooLarge
    ├── CartNotFound
    │   └── CartExpired
    ├── PermanentError        the cart ends in `error` with this message
    │   ├── ArchiveRefused
    │   ├── EntriesFailed
    │   └── NoSpaceAvailable
    ├── TransientError        a retry may help
    │   ├── ArchiveUnavailable
    │   │   └── ArchiveTimedOut
    │   ├── DatabaseUnavailable
    │   ├── QueueUnavailable
    │   ├── StoreUnavailable
    │   └── VolumeUnavailable
    ├── SchemaOutdated
    └── SettingsError

    Control signals within a worker, never shown to anyone: LeaseLost, LayoutChanged.

A class's docstring is its default message.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence


class CartError(Exception):
    """The cart service failed."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.getdoc(type(self)) or type(self).__name__)

    @property
    def message(self) -> str:
        return str(self.args[0])


class BadRequest(CartError):
    """The request is not valid."""


class InvalidManifest(BadRequest):
    """The manifest is not valid."""

    def __init__(self, problems: Sequence[str]) -> None:
        """`problems`: one line each, led by its place, as in `fileids[3].path: is empty`."""
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class InvalidUid(BadRequest):
    """The cart's uid must be 1 to 255 of A-Z a-z 0-9 . _ - and neither '.' nor '..'."""


class BodyTooLarge(CartError):
    """The body is too large."""

    def __init__(self, limit: int, name: str = "MAX_BODY") -> None:
        super().__init__(f"The body is larger than {name}, {limit} bytes.")


class CartNotFound(CartError):
    """The cart does not exist or has already been deleted"""


class CartExpired(CartNotFound):
    """The cart has expired; post its manifest again to rebuild it."""


class PermanentError(CartError):
    """The cart cannot be made."""


class ArchiveRefused(PermanentError):
    """The archive does not have this file."""


class EntriesFailed(PermanentError):
    """Some files of the cart cannot be staged."""


class NoSpaceAvailable(PermanentError):
    """No Space Available"""


class TransientError(CartError):
    """A dependency did not respond."""


class ArchiveUnavailable(TransientError):
    """The archive failed or sent an invalid response."""


class ArchiveTimedOut(ArchiveUnavailable):
    """The archive did not answer in time; it may still carry out the request."""


class DatabaseUnavailable(TransientError):
    """The database did not answer."""


class QueueUnavailable(TransientError):
    """The job queue did not answer."""


class StoreUnavailable(TransientError):
    """The bundle store did not answer."""


class VolumeUnavailable(TransientError):
    """The volume cannot be used."""


class SchemaOutdated(CartError):
    """The database's tables are older than the code: run `pacifica-cartd-cmd dbsync`."""


class SettingsError(CartError):
    """The settings are not valid."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("Bad settings:\n  " + "\n  ".join(self.problems))


class LeaseLost(Exception):
    """Another worker holds the job, its cart is gone, or a row has another state than expected: stop; write nothing."""


class LayoutChanged(Exception):
    """A file changed in the archive after the layout was made: the cart needs a new layout."""
