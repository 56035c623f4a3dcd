"""Removes uploads that nobody needs, once their URL has expired and nothing can be written to their object."""

from __future__ import annotations

from chalicelib.aws.manifest_uploads import ManifestUploadStore, upload_key
from chalicelib.db.database import Database
from chalicelib.stores.uploads import UploadStore


class ExpiredUploads:
    """An upload that a worker is still to read stays."""

    def __init__(
        self,
        database: Database,
        uploads: UploadStore,
        manifests: ManifestUploadStore,
        ttl: float,
        slack: float,
        limit: int,
    ) -> None:
        """`ttl`: seconds until an upload that was never posted is given up. `limit`: uploads removed in one sweep.

        `slack`: seconds after the URL's end in which an upload that began before it may still arrive.
        """
        self._db = database
        self._uploads = uploads
        self._manifests = manifests
        self._ttl = ttl
        self._slack = slack
        self._limit = limit

    def run(self) -> int:
        """The number of uploads removed."""
        # Closed before its object goes, so that no cart is made from an upload that is being removed.
        self._uploads.close_abandoned(self._ttl, self._limit)
        expired = self._uploads.expired(self._slack, self._limit)
        if expired:
            self._manifests.delete([upload_key(upload.token) for upload in expired])
            self._db.transaction(lambda: self._uploads.forget([upload.id for upload in expired]))
        return len(expired)
