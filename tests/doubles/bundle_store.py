"""Double of chalicelib.aws.bundle_store.BundleStore: checks what S3 checks of a multipart upload."""

from __future__ import annotations

import base64
import hashlib
import itertools
from dataclasses import dataclass, field
from typing import IO

from chalicelib.aws.bundle_store import ChecksumMismatch, ObjectMissing, Part, Stored, attempt_of, prefix_of
from chalicelib.errors import StoreUnavailable
from workers.bundling.part_limits import MIN_PART
from workers.files import crc64nvme


@dataclass
class _Upload:
    key: str
    parts: dict[int, bytes] = field(default_factory=dict)


class MemoryBundleStore:
    """`objects`: the bundles by key. `is_down`: every call raises StoreUnavailable."""

    def __init__(self, min_part: int = MIN_PART) -> None:
        """`min_part`: bytes that every part but the last must have."""
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, _Upload] = {}
        self.is_down = False
        self._etags: dict[str, str] = {}
        self._min_part = min_part
        self._ids = itertools.count(1)

    def put(self, key: str, body: IO[bytes], size: int, checksum: str) -> str:
        self._check_up()
        content = _received(body, size, checksum)
        return self._store(key, content, _md5(content))

    def begin_upload(self, key: str) -> str:
        self._check_up()
        upload_id = f"upload-{next(self._ids)}"
        self.uploads[upload_id] = _Upload(key)
        return upload_id

    def upload(self, key: str, upload_id: str, number: int, body: IO[bytes], size: int, checksum: str) -> None:
        parts = self._upload(key, upload_id).parts
        parts[number] = _received(body, size, checksum)

    def parts(self, key: str, upload_id: str, after: int = 0, most: int = 1000) -> list[Part]:
        stored = self._upload(key, upload_id).parts
        listed = [Part(number, len(stored[number]), _md5(stored[number])) for number in sorted(stored)]
        return [part for part in listed if part.number > after][:most]

    def complete(self, key: str, upload_id: str, parts: list[Part], checksum: str) -> Stored | None:
        try:
            stored = self._upload(key, upload_id).parts
        except ObjectMissing:
            return self.find(key)
        numbers = [part.number for part in parts]
        if not parts or numbers != sorted(set(numbers)) or any(part.number not in stored for part in parts):
            raise StoreUnavailable("The bundle store refused to complete: InvalidPart")
        if any(len(stored[number]) < self._min_part for number in numbers[:-1]):
            raise StoreUnavailable("The bundle store refused to complete: EntityTooSmall")
        content = b"".join(stored[number] for number in numbers)
        _check(content, checksum)
        self._store(key, content, f"{_md5(content)}-{len(parts)}")
        del self.uploads[upload_id]
        return self.find(key)

    def find(self, key: str) -> Stored | None:
        self._check_up()
        return Stored(len(self.objects[key]), self._etags[key]) if key in self.objects else None

    def delete_all(self, cart_id: int, attempt: int) -> None:
        self._check_up()

        def stays(key: str) -> bool:
            return not key.startswith(prefix_of(cart_id)) or attempt_of(key) > attempt

        self.uploads = {name: upload for name, upload in self.uploads.items() if stays(upload.key)}
        self.objects = {key: content for key, content in self.objects.items() if stays(key)}

    def abort_upload(self, key: str, upload_id: str) -> None:
        self._check_up()
        if upload_id in self.uploads and self.uploads[upload_id].key == key:
            del self.uploads[upload_id]

    def delete_bundle(self, key: str) -> None:
        self._check_up()
        self.objects.pop(key, None)

    def _check_up(self) -> None:
        if self.is_down:
            raise StoreUnavailable("The bundle store did not answer (test).")

    def _upload(self, key: str, upload_id: str) -> _Upload:
        self._check_up()
        upload = self.uploads.get(upload_id)
        if upload is None or upload.key != key:
            raise ObjectMissing("NoSuchUpload")
        return upload

    def _store(self, key: str, content: bytes, etag: str) -> str:
        self.objects[key], self._etags[key] = content, etag
        return etag


def _received(body: IO[bytes], size: int, checksum: str) -> bytes:
    content = bytes(body.read())
    if len(content) != size:
        raise StoreUnavailable("The bundle store refused the upload: IncompleteBody")
    _check(content, checksum)
    return content


def _check(content: bytes, checksum: str) -> None:
    """Raise ChecksumMismatch unless `checksum` is the content's CRC64NVME in base64."""
    if base64.b64decode(checksum) != crc64nvme.update(content).to_bytes(8, "big"):
        raise ChecksumMismatch("BadDigest")


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
