"""Makes a manifest the live cart of its uid, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from chalicelib.caller import Caller
from chalicelib.config.log_context import current_request
from chalicelib.db.database import Database
from chalicelib.endings import CartEndings
from chalicelib.errors import TransientError
from chalicelib.job_message import JobMessage
from chalicelib.notify.asked import NOBODY_ASKED, Asked
from chalicelib.stores.audit import AuditStore
from chalicelib.stores.cart_charges import Charge
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.carts import CartStore, LiveCartExists
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.manifest_row import ManifestRow

TRIES = 10  # attempts when several requests post one uid at once


class PostedManifest(Protocol):
    """Its methods run within the transaction, which may be repeated."""

    @property
    def row(self) -> ManifestRow: ...

    @property
    def first_job(self) -> JobKind: ...

    def refresh(self) -> None:
        """Look again at what other requests change. Before the live cart is looked up: it must be the newer of both."""

    def is_live(self, live: Cart | None) -> bool:
        """Whether the live cart was made from this manifest, and so stays. Raises InvalidManifest."""

    def attach(self, cart_id: int) -> None:
        """Record what belongs to the new cart. Raises LiveCartExists if another request was faster."""

    def archive_ids(self) -> Iterable[str]:
        """Which files it names, if that is known already."""

    def details(self) -> Mapping[str, Any]:
        """What the audit says about it."""


@dataclass(frozen=True, slots=True)
class Posted:
    """The cart a POST leaves: what its client should know, and the messages to send."""

    warnings: Sequence[str]
    messages: Sequence[JobMessage] = ()


class CartReplacer:
    def __init__(
        self, database: Database, carts: CartStore, jobs: JobStore, endings: CartEndings, audit: AuditStore
    ) -> None:
        self._db = database
        self._carts = carts
        self._jobs = jobs
        self._endings = endings
        self._audit = audit

    def replace(self, caller: Caller, uid: str, manifest: PostedManifest, notify: Asked = NOBODY_ASKED) -> Posted:
        """Commit a cart of `manifest` as the live cart of `uid`, unless the live cart has this manifest.

        `notify`: whom to tell; a live cart that stays gets it too, if it was given.
        Raises LimitReached, and TransientError if other requests keep winning.
        """
        for _ in range(TRIES):
            try:
                return self._db.transaction(lambda: self._replace_within(caller, uid, manifest, notify))
            except LiveCartExists:
                continue
        raise TransientError(f"{TRIES} other requests have posted this uid at the same time.")

    def _replace_within(self, caller: Caller, uid: str, manifest: PostedManifest, notify: Asked) -> Posted:
        manifest.refresh()
        live = self._carts.live(caller.owner, uid)
        if manifest.is_live(live):
            if live and not self._carts.record_use(live):
                raise LiveCartExists  # it has ended since it was read: look again
            if live and notify.option:
                self._carts.ask(live.id, notify)
            return Posted(self._carts.warnings(live.id) if live else ())
        messages, freed = self._endings.replace(live.id) if live else ([], Charge())
        cart_id = self._carts.insert(caller.owner, uid, manifest.row, current_request(), notify.column())
        manifest.attach(cart_id)
        replaced = {"replaced": live.id} if live else {}
        self._audit.record_post(caller, uid, cart_id, {**manifest.details(), **replaced}, manifest.archive_ids())
        messages.append(self._jobs.add(cart_id, manifest.first_job))
        self._carts.charges.settle(caller.owner, manifest.row.files, freed)
        return Posted(manifest.row.warnings, messages)
