"""Double of chalicelib.aws.manifest_uploads.ManifestUploadStore."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from chalicelib.aws.bundle_store import ObjectChanged, ObjectMissing, Stored
from chalicelib.errors import StoreUnavailable

LIFE = 3600  # seconds


class MemoryManifestUploads:
    """`objects`: the uploads by key. `is_down`: every request raises StoreUnavailable."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.is_down = False

    def presign(self, key: str) -> tuple[str, int]:
        return f"memory:{key}", LIFE

    def head(self, key: str) -> Stored | None:
        self._check_up()
        content = self.objects.get(key)
        return None if content is None else Stored(len(content), etag_of(content))

    def read(self, key: str, etag: str) -> Iterator[bytes]:
        stored = self.head(key)
        if stored is None:
            raise ObjectMissing(key)
        if stored.etag != etag:
            raise ObjectChanged(etag)
        yield self.objects[key]

    def delete(self, keys: Sequence[str]) -> None:
        self._check_up()
        for key in keys:
            self.objects.pop(key, None)

    def _check_up(self) -> None:
        if self.is_down:
            raise StoreUnavailable("The bundle store did not answer (test).")


def etag_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
