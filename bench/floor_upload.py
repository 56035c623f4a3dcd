"""The floor of storing: the same number of bytes into the same store, with the least work.

`put` sends to presigned URLs and the kernel sends each body from a file, so nothing is hashed or copied here.
`put_checked` adds what a bundle's parts need: boto3, and a CRC32 that the store verifies.
"""

from __future__ import annotations

import http.client
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from bench.cart_system import StoreAccess

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

THREADS = 4
PART = 64 << 20
TIMEOUT = 600.0


@dataclass(frozen=True, slots=True)
class Slice:
    """One request: a whole object (no upload id), or a part."""

    key: str
    upload_id: str
    number: int
    size: int


class FloorUploader:
    def __init__(self, store: StoreAccess, noise: Path) -> None:
        """`noise`: a file of PART random bytes, created if missing; every body is a prefix of it."""
        self._bucket = store.bucket
        self._client = _client(store)
        self._noise = noise
        if not noise.exists():
            noise.write_bytes(random.Random(0).randbytes(PART))

    def put(self, sizes: Sequence[int]) -> float:
        """Store one object of each size, by multipart upload if larger than PART. Returns seconds."""
        return self._store(sizes, self._send)

    def put_checked(self, sizes: Sequence[int]) -> float:
        """Like `put`, through boto3 with checksums."""
        noise = self._noise.read_bytes()
        return self._store(sizes, lambda piece: self._send_checked(piece, noise))

    def _store(self, sizes: Sequence[int], send: Callable[[Slice], str]) -> float:
        began = time.perf_counter()
        slices = [piece for number, size in enumerate(sizes) for piece in self._slices(f"floor/{number}", size)]
        with ThreadPoolExecutor(THREADS) as pool:
            etags = list(pool.map(send, slices))
        self._complete(slices, etags)
        seconds = time.perf_counter() - began
        for key in {piece.key for piece in slices}:
            self._client.delete_object(Bucket=self._bucket, Key=key)
        return seconds

    def _slices(self, key: str, size: int) -> list[Slice]:
        if size <= PART:
            return [Slice(key, "", 0, size)]
        upload = self._client.create_multipart_upload(Bucket=self._bucket, Key=key)["UploadId"]
        starts = range(0, size, PART)
        return [Slice(key, upload, number, min(PART, size - start)) for number, start in enumerate(starts, 1)]

    def _send(self, piece: Slice) -> str:
        """Send one slice; returns its ETag."""
        if not piece.upload_id:
            return self._put(self._sign("put_object", Key=piece.key), piece.size)
        part = {"Key": piece.key, "UploadId": piece.upload_id, "PartNumber": piece.number}
        return self._put(self._sign("upload_part", **part), piece.size)

    def _send_checked(self, piece: Slice, noise: bytes) -> str:
        body: Any = {"Bucket": self._bucket, "Key": piece.key, "Body": noise[: piece.size]}
        if not piece.upload_id:
            return self._client.put_object(**body, ChecksumAlgorithm="CRC32")["ETag"]
        part: Any = {"UploadId": piece.upload_id, "PartNumber": piece.number, "ChecksumAlgorithm": "CRC32"}
        return self._client.upload_part(**body, **part)["ETag"]

    def _complete(self, slices: Sequence[Slice], etags: Sequence[str]) -> None:
        for (key, upload), stored in groupby(
            zip(slices, etags, strict=True), lambda pair: (pair[0].key, pair[0].upload_id)
        ):
            if upload:
                parts: Any = [{"PartNumber": piece.number, "ETag": etag} for piece, etag in stored]
                self._client.complete_multipart_upload(
                    Bucket=self._bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
                )

    def _put(self, url: str, size: int) -> str:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)
        try:
            connection.putrequest("PUT", f"{parts.path}?{parts.query}")
            connection.putheader("Content-Length", str(size))
            connection.endheaders()
            with self._noise.open("rb") as body:
                connection.sock.sendfile(body, count=size)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(f"the store answered {response.status}: {answer[:300]!r}")
        return response.headers["ETag"]

    def _sign(self, method: str, **parameters: Any) -> str:
        return self._client.generate_presigned_url(method, Params={"Bucket": self._bucket, **parameters})


def _client(store: StoreAccess) -> S3Client:
    config = Config(
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        s3={"addressing_style": "path"},
        max_pool_connections=THREADS,
    )
    client: S3Client = boto3.client(
        "s3",
        endpoint_url=store.endpoint,
        aws_access_key_id=store.key,
        aws_secret_access_key=store.secret,
        region_name="us-east-1",
        config=config,
    )
    return client
