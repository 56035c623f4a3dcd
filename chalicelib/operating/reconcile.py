"""Compares the space account with the staged files, and the bucket with the rows; has workers compare the disk.

Only what no row owns is deleted, and only when it is older than AGE: rows are always made before objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from chalicelib.aws.bucket_listing import BUNDLES, MANIFESTS, BucketListing, ListedObject
from chalicelib.aws.bundle_store import BundleStore, attempt_of, cart_of, key_of
from chalicelib.caller import Caller
from chalicelib.db.database import Database
from chalicelib.job_message import JobMessage
from chalicelib.stores.audit import AuditAction, AuditStore
from chalicelib.stores.job_row import ReconcilePass
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.object_owners import ObjectOwners, ReadyCart
from chalicelib.stores.space_account import SpaceAccountStore
from chalicelib.sweep.message_sender import MessageSender

AGE = 3600.0  # seconds
PAGE = 500  # carts read at once


@dataclass(slots=True)
class Differences:
    """`account`: (used, staged) as it is and as it should be, None if it is right. `unowned`: objects of no row.

    `missing`: ready carts without their bundle.
    """

    account: tuple[tuple[int, int], tuple[int, int]] | None = None
    unowned: list[ListedObject] = field(default_factory=list)
    missing: list[ReadyCart] = field(default_factory=list)

    @property
    def any(self) -> bool:
        return bool(self.account or self.unowned or self.missing)


class Reconcile:
    def __init__(
        self,
        database: Database,
        account: SpaceAccountStore,
        owners: ObjectOwners,
        bucket: BucketListing,
        bundles: BundleStore,
        jobs: JobStore,
        audit: AuditStore,
        sender: MessageSender,
    ) -> None:
        self._db = database
        self._account = account
        self._owners = owners
        self._bucket = bucket
        self._bundles = bundles
        self._jobs = jobs
        self._audit = audit
        self._sender = sender

    def find(self, say: Callable[[str], None]) -> Differences:
        """Look, and change nothing; `say` is told how far this has come. Raises StoreUnavailable."""
        found = Differences(self._db.transaction(lambda: self._account.difference()))
        stored: set[tuple[int, int]] = set()
        for page in self._bucket.pages(BUNDLES):
            stored |= {(cart_of(item.key), attempt_of(item.key)) for item in page}
            found.unowned += self._bundles_of_nobody(page)
            say(f"{len(stored)} bundles looked at so far")
        for page in self._bucket.pages(MANIFESTS):
            found.unowned += self._uploads_of_nobody(page)
        found.missing = [*self._missing(stored)]
        return found

    def repair(self, caller: Caller, found: Differences) -> None:
        """Correct the account, delete what nobody owns, and let workers look through the whole disk."""
        self._sender.send([self._db.transaction(lambda: self._repair_rows(caller, found))])
        for item in found.unowned:
            self._bundles.delete_bundle(item.key)

    def _repair_rows(self, caller: Caller, found: Differences) -> JobMessage:
        self._account.lock()
        corrected = self._account.difference()
        if corrected is not None:
            self._account.correct(*corrected[1])
        keys = [item.key for item in found.unowned]
        details = {"account": corrected, "deleted": len(keys), "keys": keys[:100], "missing": len(found.missing)}
        self._audit.record(caller, AuditAction.RECONCILE, details=details)
        return self._jobs.add_reconcile(ReconcilePass.WHOLE)

    def _bundles_of_nobody(self, page: list[ListedObject]) -> Iterator[ListedObject]:
        """Of carts without a row or cleared for good, and of attempts that were given up."""
        old = [item for item in page if item.age > AGE]
        attempts = self._owners.attempts({cart_of(item.key) for item in old})
        return (item for item in old if attempt_of(item.key) not in _owned(attempts.get(cart_of(item.key))))

    def _uploads_of_nobody(self, page: list[ListedObject]) -> Iterator[ListedObject]:
        old = {item.key.removeprefix(MANIFESTS): item for item in page if item.age > AGE}
        named = {token: item for token, item in old.items() if "/" not in token}  # others: of the previous release
        known = self._owners.uploads(named)
        return (item for token, item in named.items() if token not in known)

    def _missing(self, stored: set[tuple[int, int]]) -> Iterator[ReadyCart]:
        """Carts that are no longer in the list, or not yet, are looked up one by one."""
        after = 0
        while page := self._owners.ready(after, PAGE):
            after = page[-1].id
            for cart in page:
                if (cart.id, cart.attempt) not in stored and self._has_no_bundle(cart):
                    yield cart

    def _has_no_bundle(self, cart: ReadyCart) -> bool:
        return self._bundles.find(key_of(cart.id, cart.attempt)) is None and self._owners.is_ready(cart)


def _owned(attempt: int | None) -> range:
    """The attempts whose bundle a cart may have: its own, and later ones, in case it has been read before a restart."""
    return range(0) if attempt is None else range(attempt, attempt + 1000)
