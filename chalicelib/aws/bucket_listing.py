"""Lists the objects of the bucket, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from chalicelib.aws.bundle_store import faults

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUNDLES, MANIFESTS = "carts/", "manifests/"  # prefixes


@dataclass(frozen=True, slots=True)
class ListedObject:
    """`size`: bytes; `age`: seconds since it was written."""

    key: str
    size: int
    age: float


class BucketListing:
    """Raises StoreUnavailable for every fault of the store."""

    def __init__(
        self, client: S3Client, bucket: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._clock = clock

    def pages(self, prefix: str) -> Iterator[list[ListedObject]]:
        """The objects below a prefix, up to a thousand at a time."""
        with faults("list objects"):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                now = self._clock()
                yield [
                    ListedObject(found["Key"], found["Size"], (now - found["LastModified"]).total_seconds())
                    for found in page.get("Contents", [])
                ]
