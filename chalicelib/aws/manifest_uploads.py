"""Manifests too large for a request body: clients PUT them into the store, workers read them from there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.aws.bundle_store import ObjectChanged, ObjectMissing, Signer, Stored, faults
from chalicelib.errors import StoreUnavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BLOCK = 1 << 18
MOST_DELETED = 1000  # keys in one request


def upload_key(token: str) -> str:
    """The object's key. A token is random, so nobody can guess the key of another's upload."""
    return f"manifests/{token}"


def former_key(uid: str) -> str:
    """The key under which the previous release has the upload of a cart; for one release."""
    return f"manifests//{uid}"


class ManifestUploadStore:
    """The objects of uploads. Raises StoreUnavailable for every fault of the store. Thread-safe."""

    def __init__(self, client: S3Client, signer: Signer, bucket: str) -> None:
        self._client = client
        self._signer = signer
        self._bucket = bucket

    def presign(self, key: str) -> tuple[str, int]:
        """A URL to PUT the manifest to, and the seconds it is valid. No request is made."""
        parameters = {"Bucket": self._bucket, "Key": key}
        with faults("sign"):
            client, life = self._signer()
            return client.generate_presigned_url("put_object", Params=parameters, ExpiresIn=life), life

    def head(self, key: str) -> Stored | None:
        """Bytes and ETag of the upload; None if there is none."""
        try:
            with faults("find the manifest"):
                answer = self._client.head_object(Bucket=self._bucket, Key=key)
        except ObjectMissing:
            return None
        return Stored(answer["ContentLength"], answer["ETag"].strip('"'))

    def read(self, key: str, etag: str) -> Iterator[bytes]:
        """The upload with this ETag as blocks. Raises ObjectMissing, or ObjectChanged if it has another ETag."""
        with faults("read the manifest"):
            answer = self._client.get_object(Bucket=self._bucket, Key=key, IfMatch=f'"{etag}"')
        with answer["Body"] as body:
            if answer["ETag"].strip('"') != etag:  # for a store that ignores If-Match
                raise ObjectChanged(etag)
            while True:
                with faults("read the manifest"):
                    block = body.read(BLOCK)
                if not block:
                    return
                yield block

    def delete(self, keys: Sequence[str]) -> None:
        """Delete these objects, as far as they exist. Idempotent."""
        for first in range(0, len(keys), MOST_DELETED):
            named: Any = [{"Key": key} for key in keys[first : first + MOST_DELETED]]
            with faults("delete manifests"):
                answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": named, "Quiet": True})
            if answer.get("Errors"):
                raise StoreUnavailable(f"The bundle store refused to delete manifests: {answer['Errors'][0]}")
