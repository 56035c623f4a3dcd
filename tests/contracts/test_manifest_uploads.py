"""Contract of the objects of uploads, held by the double, by moto and, where it is installed, by SeaweedFS."""

from __future__ import annotations

import itertools
import urllib.request
from collections.abc import Iterator
from typing import cast

import boto3
import pytest
from botocore.config import Config

from chalicelib.aws.bundle_store import ObjectChanged, ObjectMissing
from chalicelib.aws.manifest_uploads import ManifestUploadStore, upload_key
from tests.contracts.seaweed import seaweed
from tests.doubles.manifest_uploads import MemoryManifestUploads

KEYS = map(upload_key, map(str, itertools.count()))
KEY, SECRET = "test", "testsecret"


@pytest.fixture(scope="module", params=["memory", "moto", "seaweed"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManifestUploadStore]:
    if request.param == "memory":
        yield cast(ManifestUploadStore, MemoryManifestUploads())
    elif request.param == "moto":
        yield in_bucket(request.getfixturevalue("aws"))
    else:
        with seaweed(tmp_path_factory.mktemp("seaweed"), KEY, SECRET) as url:
            yield in_bucket(url)


def in_bucket(url: str) -> ManifestUploadStore:
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        config=Config(
            signature_version="s3v4",
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path", "payload_signing_enabled": False},
        ),
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )
    client.create_bucket(Bucket="uploads")
    return ManifestUploadStore(client, lambda: (client, 60), "uploads")


@pytest.fixture
def key() -> str:
    return next(KEYS)


def test_what_was_put_is_found_and_read(store: ManifestUploadStore, key: str) -> None:
    put(store, key, b"content" * 3_000_000)
    found = store.head(key)
    assert found is not None
    assert (found.size, '"' in found.etag) == (21_000_000, False)
    assert b"".join(store.read(key, found.etag)) == b"content" * 3_000_000


def test_an_empty_upload_is_found(store: ManifestUploadStore, key: str) -> None:
    put(store, key, b"")
    found = store.head(key)
    assert found is not None
    assert (found.size, b"".join(store.read(key, found.etag))) == (0, b"")


def test_nothing_is_found_where_nothing_was_put(store: ManifestUploadStore, key: str) -> None:
    assert store.head(key) is None
    with pytest.raises(ObjectMissing):
        list(store.read(key, "0" * 32))


def test_the_same_content_has_the_same_etag_and_other_content_another(store: ManifestUploadStore, key: str) -> None:
    put(store, key, b"one")
    put(store, next(KEYS), b"one")
    first = store.head(key)
    put(store, key, b"two")
    second = store.head(key)
    put(store, key, b"one")
    assert first is not None
    assert second is not None
    assert first.etag != second.etag
    assert store.head(key) == first


def test_what_was_overwritten_is_not_read(store: ManifestUploadStore, key: str) -> None:
    put(store, key, b"one")
    found = store.head(key)
    assert found is not None
    put(store, key, b"two")
    with pytest.raises(ObjectChanged):
        list(store.read(key, found.etag))


def test_deleting_removes_exactly_these_and_may_be_repeated(store: ManifestUploadStore, key: str) -> None:
    keys = [key, next(KEYS), next(KEYS)]
    for every in keys:
        put(store, every, b"x")
    for _ in range(2):
        store.delete([keys[0], keys[2], upload_key("never-there")])
    assert [store.head(every) is None for every in keys] == [True, False, True]
    store.delete([])


def test_many_are_deleted_at_once(store: ManifestUploadStore, key: str) -> None:
    put(store, key, b"x")
    store.delete([*(upload_key(f"none-{number}") for number in range(1000)), key])
    assert store.head(key) is None


def put(store: ManifestUploadStore, key: str, content: bytes) -> None:
    """PUT to the presigned URL, as a client does."""
    if isinstance(store, MemoryManifestUploads):
        store.objects[key] = content
        return
    url, _ = store.presign(key)
    request = urllib.request.Request(url, data=content, method="PUT", headers={"Content-Type": ""})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
