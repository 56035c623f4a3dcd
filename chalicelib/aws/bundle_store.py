"""The bundle store: an S3 bucket. Bundles appear in it complete, by one PUT or by CompleteMultipartUpload."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, Any

import botocore.exceptions
import botocore.parsers

from chalicelib.errors import StoreUnavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CARTS = "carts/"  # prefix of all bundles' keys
DIFFERS = ("BadDigest", "XAmzContentChecksumMismatch")
ABSENT = ("NoSuchKey", "NoSuchUpload", "404", "NotFound")
CHANGED = ("PreconditionFailed", "412")

log = logging.getLogger(__name__)

Signer = Callable[[], "tuple[S3Client, int]"]


@dataclass(frozen=True, slots=True)
class Stored:
    """An object in the store: bytes and ETag."""

    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Part:
    number: int
    size: int
    etag: str


class ObjectMissing(Exception):
    """The object or the multipart upload does not exist: an upload was completed or aborted."""


class ObjectChanged(Exception):
    """The object does not have the ETag that was asked for."""


class ChecksumMismatch(Exception):
    """The bytes the store received do not have the declared checksum."""


def key_of(cart_id: int, attempt: int) -> str:
    return f"{prefix_of(cart_id)}{attempt}.tar"


def prefix_of(cart_id: int) -> str:
    return f"{CARTS}{cart_id}/"


def cart_of(key: str) -> int:
    """The cart this key belongs to; 0 if it is no bundle's key."""
    number = key.removeprefix(CARTS).partition("/")[0]
    return int(number) if number.isascii() and number.isdigit() else 0


def attempt_of(key: str) -> int:
    """The attempt this key belongs to; 0 if it is no bundle's key."""
    number = key.rpartition("/")[2].removesuffix(".tar")
    return int(number) if number.isascii() and number.isdigit() else 0


class BundleStore:
    """One bucket. Raises StoreUnavailable for every fault of the store. Thread-safe."""

    def __init__(self, client: S3Client, signer: Signer, bucket: str) -> None:
        """`signer` returns a client to sign with and the seconds its URLs are valid."""
        self._client = client
        self._signer = signer
        self._bucket = bucket

    def presign(self, key: str, disposition: str, longest: int | None = None) -> tuple[str, int]:
        """A download URL and the seconds it is valid, at most `longest`. No request is made."""
        parameters = {
            "Bucket": self._bucket,
            "Key": key,
            "ResponseContentDisposition": disposition,
            "ResponseContentType": "application/x-tar",
        }
        with faults("sign"):
            client, life = self._signer()
            life = life if longest is None else min(life, longest)
            return client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=life), life

    def put(self, key: str, body: IO[bytes], size: int, checksum: str) -> str:
        """Store a whole bundle of `size` bytes and return its ETag. Raises ChecksumMismatch like `upload`."""
        with faults("put"):
            answer = self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=body,
                ContentLength=size,
                ContentType="application/x-tar",
                ChecksumCRC64NVME=checksum,
            )
        return answer["ETag"].strip('"')

    def begin_upload(self, key: str) -> str:
        """Start a multipart upload and return its id."""
        with faults("begin"):
            answer = self._client.create_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                ContentType="application/x-tar",
                ChecksumAlgorithm="CRC64NVME",
                ChecksumType="FULL_OBJECT",
            )
        return answer["UploadId"]

    def upload(self, key: str, upload_id: str, number: int, body: IO[bytes], size: int, checksum: str) -> None:
        """Store one part of `size` bytes; the store verifies its CRC64NVME (base64).

        Raises ObjectMissing if the upload does not exist, ChecksumMismatch if the bytes have another checksum.
        """
        with faults("upload"):
            self._client.upload_part(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                Body=body,
                ContentLength=size,
                ChecksumCRC64NVME=checksum,
            )

    def parts(self, key: str, upload_id: str, after: int = 0, most: int = 1000) -> list[Part]:
        """Up to `most` stored parts numbered above `after`, in order. Raises ObjectMissing."""
        with faults("list parts"):
            answer = self._client.list_parts(
                Bucket=self._bucket, Key=key, UploadId=upload_id, PartNumberMarker=after, MaxParts=most
            )
        # SeaweedFS lists a part each time it was uploaded. A part's bytes never change, so any of them will do.
        parts = {raw["PartNumber"]: raw for raw in answer.get("Parts", [])}
        return [
            Part(number, parts[number]["Size"], parts[number]["ETag"]) for number in sorted(parts) if number > after
        ]

    def complete(self, key: str, upload_id: str, parts: list[Part], checksum: str) -> Stored | None:
        """Complete the multipart upload. Idempotent. None if neither the upload nor the bundle exists."""
        listed: Any = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
        try:
            with faults("complete"):
                self._client.complete_multipart_upload(
                    Bucket=self._bucket,
                    Key=key,
                    UploadId=upload_id,
                    MultipartUpload={"Parts": listed},
                    ChecksumCRC64NVME=checksum,
                    ChecksumType="FULL_OBJECT",
                )
        except ObjectMissing:
            log.info("the upload of %s was already completed or aborted", key)
        return self.find(key)

    def find(self, key: str) -> Stored | None:
        try:
            with faults("find"):
                answer = self._client.head_object(Bucket=self._bucket, Key=key)
        except ObjectMissing:
            return None
        return Stored(answer["ContentLength"], answer["ETag"].strip('"'))

    def delete_all(self, cart_id: int, attempt: int) -> None:
        """Remove the bundles and unfinished uploads of a cart up to this attempt, including those no row records.

        Later attempts stay: a worker that was frozen meanwhile must not remove what others have made since.
        """
        prefix = prefix_of(cart_id)
        with faults("list uploads"):
            uploads = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=prefix).get("Uploads", [])
            bundles = self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix).get("Contents", [])
        for upload in uploads:
            if attempt_of(upload["Key"]) <= attempt:
                self.abort_upload(upload["Key"], upload["UploadId"])
        for bundle in bundles:
            if attempt_of(bundle["Key"]) <= attempt:
                self.delete_bundle(bundle["Key"])

    def uploads_older_than(self, ago: float) -> list[tuple[str, str]]:
        """Key and id of all carts' unfinished uploads that were started more than `ago` seconds ago."""
        before = datetime.now(UTC) - timedelta(seconds=ago)
        with faults("list uploads"):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=CARTS)
            found = [upload for page in pages for upload in page.get("Uploads", [])]
        return [(upload["Key"], upload["UploadId"]) for upload in found if upload["Initiated"] < before]

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Remove an unfinished multipart upload. Idempotent."""
        try:
            with faults("abort"):
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
        except ObjectMissing:
            log.debug("no upload of %s to abort", key)

    def delete_bundle(self, key: str) -> None:
        """Idempotent."""
        with faults("delete"):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def check(self) -> None:
        """Ask whether the bucket is there."""
        try:
            with faults("check the bucket"):
                self._client.head_bucket(Bucket=self._bucket)
        except ObjectMissing as error:
            raise StoreUnavailable("The bundle store has no such bucket.") from error


@contextmanager
def faults(doing: str) -> Iterator[None]:
    """Translate the store's faults into ObjectMissing, ObjectChanged, ChecksumMismatch or StoreUnavailable."""
    try:
        yield
    except botocore.exceptions.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in ABSENT:
            raise ObjectMissing(code) from error
        if code in CHANGED:
            raise ObjectChanged(code) from error
        if code in DIFFERS:
            raise ChecksumMismatch(code) from error
        raise StoreUnavailable(f"The bundle store refused to {doing}: {code}") from error
    except (botocore.exceptions.BotoCoreError, botocore.parsers.ResponseParserError) as error:
        raise StoreUnavailable(f"The bundle store did not answer ({doing}).") from error
