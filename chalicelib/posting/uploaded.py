"""An uploaded manifest: its POST binds one version of one upload to the cart, and a worker reads exactly that."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.aws.bundle_store import Stored
from chalicelib.aws.manifest_uploads import ManifestUploadStore, upload_key
from chalicelib.caller import Caller
from chalicelib.db.database import Database
from chalicelib.errors import InvalidManifest, UploadTooLarge
from chalicelib.manifest.options import Options
from chalicelib.manifest.upload_notice import UploadNotice
from chalicelib.posting.limits import ManifestLimits
from chalicelib.stores.audit import AuditAction, AuditStore
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.carts import LiveCartExists
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.manifest_row import UPLOAD_DIGEST, ManifestRow
from chalicelib.stores.uploads import Upload, UploadStore

TOKEN = 16  # bytes of randomness


@dataclass(frozen=True, slots=True)
class UploadSlot:
    """Where a client PUTs a manifest: a URL, the seconds it is valid, and the upload's name in the later POST."""

    url: str
    life: int
    upload: str


class Uploads:
    def __init__(
        self,
        database: Database,
        uploads: UploadStore,
        manifests: ManifestUploadStore,
        audit: AuditStore,
        limits: ManifestLimits,
    ) -> None:
        self._db = database
        self._uploads = uploads
        self._manifests = manifests
        self._audit = audit
        self._limits = limits

    def slot(self, caller: Caller, uid: str) -> UploadSlot:
        """A new upload."""
        token = secrets.token_hex(TOKEN)
        url, life = self._manifests.presign(upload_key(token))

        def write() -> None:
            self._uploads.add(caller.owner, uid, token, life)
            self._audit.record(caller, AuditAction.UPLOAD, uid, details={"upload": token})

        self._db.transaction(write)
        return UploadSlot(url, life, token)

    def find(self, owner: str, uid: str, notice: UploadNotice) -> ManifestInStore | None:
        """The uploaded manifest that a POST means; None if there has never been an upload of this uid.

        Raises InvalidManifest if there is nothing to read, UploadTooLarge above MAX_MANIFEST.
        """
        named = notice.upload
        upload = self._uploads.find(owner, uid, named) if named else self._uploads.newest(owner, uid)
        if upload is None:
            if named:
                raise InvalidManifest([f"upload: there is none of this name for the cart; {_again(uid)}"])
            return None
        stored = self._manifests.head(upload_key(upload.token))
        if stored is not None and stored.size > self._limits.upload:
            raise UploadTooLarge(self._limits.upload)
        return ManifestInStore(self._uploads, uid, upload, stored, notice.options)


class ManifestInStore:
    """One upload, and its object as it was when it was looked up; `stored` is None if there was none."""

    first_job = JobKind.UPLOAD

    def __init__(self, uploads: UploadStore, uid: str, upload: Upload, stored: Stored | None, options: Options) -> None:
        self._uploads = uploads
        self._uid = uid
        self._upload = upload
        self._etag = stored.etag if stored else ""
        self._options = options

    @property
    def row(self) -> ManifestRow:
        """A worker fills in the rest."""
        options = self._options
        digest = digest_of(self._etag, options)
        return ManifestRow(options.root, digest, 0, names=options.names, sums=options.sums, uploaded=True)

    def refresh(self) -> None:
        upload = self._uploads.get(self._upload.id)
        if upload is None or (upload.closed_at is not None and not upload.is_bound):
            raise InvalidManifest([f"manifest: this upload was discarded; {_again(self._uid)}"])
        self._upload = upload

    def is_live(self, live: Cart | None) -> bool:
        upload = self._upload
        if upload.is_bound:
            self._check_bound(upload, live)
            return True
        if not self._etag:
            raise nothing_uploaded(self._uid)
        if live is None or live.ended_badly or live.digest != self.row.digest:
            return False
        # An upload that is still to be read may be overwritten before it is; then its copy is read.
        bind = self._uploads.bind if self._uploads.unread(live.id) else self._uploads.bind_copy
        if not bind(upload.id, self._etag, live.id):
            raise LiveCartExists
        return True

    def attach(self, cart_id: int) -> None:
        if not self._uploads.bind(self._upload.id, self._etag, cart_id):
            raise LiveCartExists

    def archive_ids(self) -> Iterable[str]:
        """The worker that reads it records them."""
        return ()

    def details(self) -> Mapping[str, Any]:
        return {"upload": self._upload.token, "digest": self.row.digest}

    def _check_bound(self, upload: Upload, live: Cart | None) -> None:
        """Raise InvalidManifest unless the live cart is the one made from this upload, as it is now."""
        if live is None or live.id != upload.cart_id or live.ended_badly:
            raise InvalidManifest([f"manifest: the cart made from this upload has ended; {_again(self._uid)}"])
        if self._etag and self._etag != upload.etag:
            raise InvalidManifest([f"manifest: the upload has changed since it was posted; {_again(self._uid)}"])
        if live.digest != digest_of(upload.etag, self._options):
            raise InvalidManifest([f"manifest: this upload was posted with other options; {_again(self._uid)}"])


def digest_of(etag: str, options: Options) -> str:
    """Of an uploaded manifest: the same content posted with the same options has the same digest."""
    given = (options.root, options.names, options.sums)
    if any(given):
        etag = hashlib.sha256("\0".join((etag, *given)).encode()).hexdigest()
    return f"{UPLOAD_DIGEST}{etag}"[:64]  # without options, the digest that the previous release computes


def nothing_uploaded(uid: str) -> InvalidManifest:
    return InvalidManifest([f"manifest: nothing has been uploaded; POST /{uid}/manifest returns the URL"])


def _again(uid: str) -> str:
    return f"ask POST /{uid}/manifest for a new URL, upload the manifest there, and post it again"
