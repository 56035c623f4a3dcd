"""Errors that cross packages. One that a single package raises and its callers catch is defined beside its class.

    CartError
    ├── BadRequest            the client can correct the request
    │   ├── InvalidManifest
    │   └── InvalidUid
    ├── LoginRequired         who is asking is not known
    ├── NotAllowed            who is asking may not do this
    │   └── LimitReached
    ├── TooManyRequests       the same request may be made later
    ├── BodyTooLarge
    │   ├── TooManyEntries
    │   └── UploadTooLarge
    ├── CartNotFound
    │   ├── CartExpired
    │   └── ShareNotFound
    ├── PermanentError        the cart ends in `error` with this message
    │   ├── ArchiveRefused
    │   ├── EntriesFailed
    │   └── NoSpaceAvailable
    ├── TransientError        a retry may help
    │   ├── ArchiveUnavailable
    │   │   └── ArchiveTimedOut
    │   ├── DatabaseUnavailable
    │   │   └── TablesMissing
    │   ├── IntakePaused
    │   ├── LoginUnavailable
    │   ├── PolicyUnavailable
    │   ├── QueueUnavailable
    │   ├── StoreUnavailable
    │   └── VolumeUnavailable
    ├── SchemaOutdated
    └── SettingsError

    Control signals within a worker, never shown to anyone: LeaseLost, LayoutChanged, PullingPaused.

A class's docstring is its default message.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence

#: How the wait reason of a job begins that waits until pulling goes on.
PAUSED = "pulling is paused"


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
    """The cart's uid must be 1 to 255 of A-Z a-z 0-9 . _ - and none of '.', '..' and '-'."""


class LoginRequired(CartError):
    """This needs a login: send a valid Authorization header."""

    def __init__(self, message: str | None = None, challenges: Sequence[str] = ()) -> None:
        """`challenges`: values of WWW-Authenticate, how to log in."""
        self.challenges = tuple(challenges)
        super().__init__(message)


class NotAllowed(CartError):
    """This login may not do this."""


class LimitReached(NotAllowed):
    """A limit of this owner is reached."""


class TooManyRequests(CartError):
    """Too many requests; try again later."""

    def __init__(self, message: str, seconds: int) -> None:
        """`seconds`: until the next request is taken."""
        self.seconds = seconds
        super().__init__(message)


class BodyTooLarge(CartError):
    """The body is too large."""

    def __init__(self, limit: int, name: str = "MAX_BODY") -> None:
        super().__init__(f"The body is larger than {name}, {limit} bytes.")


class TooManyEntries(BodyTooLarge):
    """The manifest has too many files or directories."""

    def __init__(self, limit: int, what: str) -> None:
        """`what`: `files` or `directories`."""
        CartError.__init__(self, f"The manifest has more than MAX_ENTRIES, {limit} {what}; make several carts of it.")


class UploadTooLarge(BodyTooLarge):
    """The uploaded manifest is too large."""

    def __init__(self, limit: int) -> None:
        CartError.__init__(self, f"The uploaded manifest is larger than MAX_MANIFEST, {limit} bytes.")


class CartNotFound(CartError):
    """The cart does not exist or has already been deleted"""


class CartExpired(CartNotFound):
    """The cart has expired; post its manifest again to rebuild it."""


class ShareNotFound(CartNotFound):
    """There is no such share, it has ended, or it is not for this login."""


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


class TablesMissing(DatabaseUnavailable):
    """The database has no tables yet: run `pacifica-cartd-cmd dbsync`."""


class IntakePaused(TransientError):
    """No carts are taken at the moment."""

    def __init__(self, why: str) -> None:
        super().__init__(f"No carts are taken at the moment, because the intake is paused: {why}")


class LoginUnavailable(TransientError):
    """The login cannot be checked at the moment."""


class PolicyUnavailable(TransientError):
    """Who may read which files cannot be asked at the moment."""

    seconds = 5  # until a client may ask again


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


class PullingPaused(Exception):
    """An operator has paused pulling from the archive: the job waits until it goes on."""

    def __init__(self, why: str) -> None:
        self.reason = f"{PAUSED}: {why}"
        super().__init__(self.reason)
