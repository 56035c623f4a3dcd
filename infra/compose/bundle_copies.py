"""Copies bundles between the bucket and a tar: `python3 -m infra.compose.bundle_copies save > TAR`, `... load < TAR`.

`save` takes all bundles; `load` adds those that the bucket lacks. Each is one member, named by its key, and one part of
one is in memory at a time.
"""

from __future__ import annotations

import math
import os
import sys
import tarfile
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, cast

import boto3
from botocore.exceptions import ClientError

from chalicelib.aws.bundle_store import CARTS
from chalicelib.config.settings import load as load_settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONTENT_TYPE = "application/x-tar"
PART = 64 << 20  # bytes
MOST_PARTS = 10_000  # of one object


def main(arguments: list[str]) -> None:
    store = BundleCopies(boto3.client("s3"), load_settings(os.environ).bundle_bucket)
    if arguments == ["save"]:
        print(f"{store.save(sys.stdout.buffer)} bundles saved", file=sys.stderr)
    elif arguments == ["load"]:
        print(f"{store.load(sys.stdin.buffer)} bundles loaded", file=sys.stderr)
    else:
        sys.exit(__doc__)


class BundleCopies:
    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def save(self, out: IO[bytes]) -> int:
        """Write every bundle as a member named by its key; their number. One that is deleted meanwhile is left out."""
        count = 0
        with tarfile.open(fileobj=out, mode="w|") as tar:
            for key in self._keys():
                try:
                    answer = self._client.get_object(Bucket=self._bucket, Key=key)
                except self._client.exceptions.NoSuchKey:
                    continue
                member = tarfile.TarInfo(key)
                member.size = answer["ContentLength"]
                member.mtime = int(answer["LastModified"].timestamp())
                with answer["Body"] as body:
                    tar.addfile(member, cast(IO[bytes], body))
                count += 1
        return count

    def load(self, source: IO[bytes]) -> int:
        """Store the members that the bucket does not have in this size; their number. Raises ValueError for others."""
        count = 0
        with tarfile.open(fileobj=source, mode="r|") as tar:
            for member in tar:
                if not member.isfile() or not member.name.startswith(CARTS):
                    raise ValueError(f"{member.name!r} is not a bundle")
                content = tar.extractfile(member)
                if content is not None and self._size(member.name) != member.size:
                    self._store(member.name, content, member.size)
                    count += 1
        return count

    def _store(self, key: str, content: IO[bytes], size: int) -> None:
        """One part is in memory at a time. What an interruption leaves of an upload, the sweep removes."""
        named: Any = {"Bucket": self._bucket, "Key": key}
        part = max(PART, math.ceil(size / MOST_PARTS))
        if size <= part:
            self._client.put_object(**named, Body=content.read(), ContentType=CONTENT_TYPE)
            return
        upload: Any = named | {
            "UploadId": self._client.create_multipart_upload(**named, ContentType=CONTENT_TYPE)["UploadId"]
        }
        parts: list[Any] = []
        while block := content.read(part):
            answer = self._client.upload_part(**upload, PartNumber=len(parts) + 1, Body=block)
            parts.append({"PartNumber": len(parts) + 1, "ETag": answer["ETag"]})
        self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})

    def _keys(self) -> Iterator[str]:
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=CARTS):
            yield from (item["Key"] for item in page.get("Contents", []))

    def _size(self, key: str) -> int:
        """Bytes of the object, -1 if there is none."""
        try:
            return self._client.head_object(Bucket=self._bucket, Key=key)["ContentLength"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("404", "NoSuchKey", "NotFound"):
                return -1
            raise


if __name__ == "__main__":
    main(sys.argv[1:])
