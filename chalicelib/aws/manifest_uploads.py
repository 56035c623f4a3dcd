"""Manifests too large for a request body: clients PUT them into the store, workers read them from there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chalicelib.aws.bundle_store import ObjectMissing, Signer, faults
from chalicelib.manifest.reader import UPLOAD_DIGEST

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BLOCK = 1 << 18


def manifest_key(owner: str, uid: str) -> str:
    """The object's key. A checked `uid` is safe in it, and no owner contains a slash."""
    return f"manifests/{owner}/{uid}"


class ManifestUploadStore:
    def __init__(self, client: S3Client, signer: Signer, bucket: str) -> None:
        self._client = client
        self._signer = signer
        self._bucket = bucket

    def presign(self, key: str) -> tuple[str, int]:
        """A URL to PUT the manifest to, and the seconds it is valid."""
        parameters = {"Bucket": self._bucket, "Key": key}
        with faults("sign"):
            client, life = self._signer()
            return client.generate_presigned_url("put_object", Params=parameters, ExpiresIn=life), life

    def digest(self, key: str) -> str | None:
        """Identifies the content of the upload; None if there is no upload."""
        try:
            with faults("find the manifest"):
                answer = self._client.head_object(Bucket=self._bucket, Key=key)
        except ObjectMissing:
            return None
        return f"{UPLOAD_DIGEST}{answer['ETag'].strip(chr(34))}"[:64]

    def read(self, key: str) -> Iterator[bytes]:
        """The upload as a stream of blocks, which is empty if the upload is gone. Raises StoreUnavailable."""
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
