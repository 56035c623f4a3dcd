"""Contract of the bundle store, held by the double, by moto and, where it is installed, by SeaweedFS.

moto accepts any declared checksum, and answers 500 for an aborted upload: there only the others are asked.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from typing import cast

import boto3
import pytest
from botocore.config import Config

from chalicelib.aws.bundle_store import BundleStore, ChecksumMismatch, ObjectMissing, Part, key_of
from chalicelib.errors import StoreUnavailable
from tests.contracts.seaweed import seaweed
from tests.doubles.bundle_store import MemoryBundleStore
from workers.bundling.part_limits import MIN_PART
from workers.files import crc64nvme

CARTS = itertools.count(1)
FIRST, LAST = b"a" * MIN_PART, b"the end"
KEY, SECRET = "test", "testsecret"


@pytest.fixture(scope="module", params=["memory", "moto", "seaweed"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BundleStore]:
    if request.param == "memory":
        yield cast(BundleStore, MemoryBundleStore())
    elif request.param == "moto":
        yield in_bucket(request.getfixturevalue("aws"))
    else:
        with seaweed(tmp_path_factory.mktemp("seaweed"), KEY, SECRET) as url:
            yield in_bucket(url)


@pytest.fixture
def strict_store(store: BundleStore, request: pytest.FixtureRequest) -> BundleStore:
    if request.node.callspec.params["store"] == "moto":
        pytest.skip("moto is not strict here")
    return store


@pytest.fixture
def cart_id() -> int:
    """A cart that nothing is stored of."""
    return next(CARTS)


@pytest.fixture
def key(cart_id: int) -> str:
    return key_of(cart_id, 1)


def in_bucket(url: str) -> BundleStore:
    config = Config(s3={"addressing_style": "path"})
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        config=config,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )
    client.create_bucket(Bucket="contract")
    return BundleStore(client, lambda: (client, 60), "contract")


def test_a_bundle_that_was_put_is_found(store: BundleStore, key: str) -> None:
    assert store.find(key) is None
    etag = store.put(key, io.BytesIO(LAST), len(LAST), checksum(LAST))
    found = store.find(key)
    assert found is not None
    assert (found.size, found.etag) == (len(LAST), etag)
    assert '"' not in etag


def test_a_put_replaces_the_bundle(store: BundleStore, key: str) -> None:
    store.put(key, io.BytesIO(b"old"), 3, checksum(b"old"))
    store.put(key, io.BytesIO(LAST), len(LAST), checksum(LAST))
    found = store.find(key)
    assert found is not None
    assert found.size == len(LAST)


def test_a_bundle_whose_bytes_have_another_checksum_is_refused(strict_store: BundleStore, key: str) -> None:
    with pytest.raises(ChecksumMismatch):
        strict_store.put(key, io.BytesIO(LAST), len(LAST), checksum(b"other"))
    assert strict_store.find(key) is None


def test_a_part_whose_bytes_have_another_checksum_is_refused(strict_store: BundleStore, key: str) -> None:
    upload_id = strict_store.begin_upload(key)
    with pytest.raises(ChecksumMismatch):
        strict_store.upload(key, upload_id, 1, io.BytesIO(LAST), len(LAST), checksum(b"other"))
    assert strict_store.parts(key, upload_id) == []


def test_stored_parts_are_listed_in_order_whatever_order_they_came_in(store: BundleStore, key: str) -> None:
    upload_id = store.begin_upload(key)
    assert store.parts(key, upload_id) == []
    for number in (3, 1, 2):
        upload(store, key, upload_id, number, b"x" * number)
    assert sizes(store.parts(key, upload_id)) == [(1, 1), (2, 2), (3, 3)]
    assert sizes(store.parts(key, upload_id, after=1)) == [(2, 2), (3, 3)]
    assert sizes(store.parts(key, upload_id, most=2)) == [(1, 1), (2, 2)]
    assert store.parts(key, upload_id, after=3) == []


def test_a_part_that_is_uploaded_again_is_listed_once(store: BundleStore, key: str) -> None:
    upload_id = store.begin_upload(key)
    upload(store, key, upload_id, 1, b"first")
    upload(store, key, upload_id, 1, b"first")
    assert sizes(store.parts(key, upload_id)) == [(1, 5)]


def test_a_bundle_appears_only_when_it_is_completed(store: BundleStore, key: str) -> None:
    upload_id = uploaded(store, key)
    assert store.find(key) is None
    stored = store.complete(key, upload_id, store.parts(key, upload_id), checksum(FIRST + LAST))
    assert stored == store.find(key)
    assert stored is not None
    assert stored.size == len(FIRST) + len(LAST)


def test_completing_again_finds_the_bundle(store: BundleStore, key: str) -> None:
    upload_id = uploaded(store, key)
    parts = store.parts(key, upload_id)
    stored = store.complete(key, upload_id, parts, checksum(FIRST + LAST))
    assert store.complete(key, upload_id, parts, checksum(FIRST + LAST)) == stored
    with pytest.raises(ObjectMissing):
        store.parts(key, upload_id)


def test_completing_with_a_part_that_is_not_stored_is_refused(store: BundleStore, key: str) -> None:
    upload_id = uploaded(store, key)
    parts = [*store.parts(key, upload_id), Part(7, 1, '"0123456789abcdef0123456789abcdef"')]
    with pytest.raises(StoreUnavailable):
        store.complete(key, upload_id, parts, checksum(FIRST + LAST))
    assert store.find(key) is None


def test_a_bundle_whose_parts_have_another_checksum_is_refused(strict_store: BundleStore, key: str) -> None:
    upload_id = uploaded(strict_store, key)
    with pytest.raises(ChecksumMismatch):
        strict_store.complete(key, upload_id, strict_store.parts(key, upload_id), checksum(b"other"))
    assert strict_store.find(key) is None


def test_completing_with_a_short_part_that_is_not_the_last_is_refused(store: BundleStore, key: str) -> None:
    upload_id = store.begin_upload(key)
    upload(store, key, upload_id, 1, LAST)
    upload(store, key, upload_id, 2, LAST)
    with pytest.raises(StoreUnavailable):
        store.complete(key, upload_id, store.parts(key, upload_id), checksum(LAST + LAST))


def test_an_aborted_upload_takes_no_parts_and_completes_to_nothing(strict_store: BundleStore, key: str) -> None:
    upload_id = uploaded(strict_store, key)
    parts = strict_store.parts(key, upload_id)
    strict_store.abort_upload(key, upload_id)
    with pytest.raises(ObjectMissing):
        upload(strict_store, key, upload_id, 1, LAST)
    with pytest.raises(ObjectMissing):
        strict_store.parts(key, upload_id)
    assert strict_store.complete(key, upload_id, parts, checksum(FIRST + LAST)) is None


def test_aborting_an_upload_keeps_the_bundle(store: BundleStore, key: str) -> None:
    put(store, key)
    upload_id = store.begin_upload(key)
    store.abort_upload(key, upload_id)
    assert store.find(key) is not None


def test_deleting_removes_bundle_and_upload_and_may_be_repeated(store: BundleStore, key: str) -> None:
    put(store, key)
    upload_id = store.begin_upload(key)
    for _ in range(2):
        store.abort_upload(key, upload_id)
        store.delete_bundle(key)
    assert store.find(key) is None
    with pytest.raises(ObjectMissing):
        store.parts(key, upload_id)


def test_all_of_a_cart_is_deleted_and_nothing_of_another(store: BundleStore, cart_id: int) -> None:
    other_key = key_of(cart_id * 1000 + 1, 1)  # of which this cart's number is a prefix
    keys = [key_of(cart_id, attempt) for attempt in (1, 2)]
    uploads = [store.begin_upload(key) for key in keys]
    other_upload = store.begin_upload(other_key)
    for key in (*keys, other_key):
        put(store, key)
    store.delete_all(cart_id, 2)
    store.delete_all(cart_id, 2)
    for key, upload_id in zip(keys, uploads, strict=True):
        assert store.find(key) is None
        with pytest.raises(ObjectMissing):
            store.parts(key, upload_id)
    assert store.find(other_key) is not None
    assert store.parts(other_key, other_upload) == []


def test_later_attempts_of_a_cart_stay(store: BundleStore, cart_id: int) -> None:
    old, new = key_of(cart_id, 9), key_of(cart_id, 10)
    upload_id = store.begin_upload(new)
    for key in (old, new):
        put(store, key)
    store.delete_all(cart_id, 9)
    assert (store.find(old), store.find(new) is None) == (None, False)
    assert store.parts(new, upload_id) == []


def put(store: BundleStore, key: str) -> None:
    store.put(key, io.BytesIO(LAST), len(LAST), checksum(LAST))


def upload(store: BundleStore, key: str, upload_id: str, number: int, content: bytes) -> None:
    store.upload(key, upload_id, number, io.BytesIO(content), len(content), checksum(content))


def uploaded(store: BundleStore, key: str) -> str:
    """An upload with both of its parts stored."""
    upload_id = store.begin_upload(key)
    upload(store, key, upload_id, 1, FIRST)
    upload(store, key, upload_id, 2, LAST)
    return upload_id


def sizes(parts: list[Part]) -> list[tuple[int, int]]:
    return [(part.number, part.size) for part in parts]


def checksum(content: bytes) -> str:
    return crc64nvme.to_header(crc64nvme.update(content))
