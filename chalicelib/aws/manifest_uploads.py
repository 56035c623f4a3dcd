"""Manifests too large for a request body: the client puts them into the store, a worker reads them from there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chalicelib.aws.bundle_store import ObjectMissing, Signer, faults

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BLOCK = 1 << 18


def manifest_key(owner: str, uid: str) -> str:
    """`uid` is checked, so it is safe in a key; an owner never holds a slash."""
    return f"manifests/{owner}/{uid}"


class UploadStore:
    def __init__(self, client: S3Client, signer: Signer, bucket: str) -> None:
        self._client = client
        self._signer = signer
        self._bucket = bucket

    def presign(self, key: str) -> tuple[str, int]:
        """A URL to PUT the manifest to, and the seconds it stays valid."""
        parameters = {"Bucket": self._bucket, "Key": key}
        with faults("sign"):
            client, life = self._signer()
            return client.generate_presigned_url("put_object", Params=parameters, ExpiresIn=life), life

    def digest(self, key: str) -> str | None:
        """What tells this upload from another; None when nothing was uploaded."""
        try:
            with faults("find the manifest"):
                answer = self._client.head_object(Bucket=self._bucket, Key=key)
        except ObjectMissing:
            return None
        return f"upload-{answer['ETag'].strip(chr(34))}"[:64]

    def read(self, key: str) -> Iterator[bytes]:
        """The upload as a stream of blocks; nothing when it is gone. Raises StoreUnavailable."""
        try:
            with faults("read the manifest"):
                body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
        except ObjectMissing:
            return
        with body:
            while True:
                with faults("read the manifest"):
                    block = body.read(BLOCK)
                if not block:
                    return
                yield block

    def delete(self, key: str) -> None:
        with faults("delete the manifest"):
            self._client.delete_object(Bucket=self._bucket, Key=key)
