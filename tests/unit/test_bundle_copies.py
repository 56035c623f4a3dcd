"""Bundles in a tar and back: several parts, what is there already, what is no bundle."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.compose import bundle_copies
from infra.compose.bundle_copies import BundleCopies

BUCKET = "bundles"
BUNDLES = {"carts/1/1.tar": bytes(range(256)) * 50_000, "carts/2/3.tar": b"", "carts/9/1.tar": b"small"}


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Of a bucket that is empty. Parts are of the smallest size that S3 takes."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setattr(bundle_copies, "PART", 5 << 20)
    with mock_aws():
        client: Any = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield BundleCopies(client, BUCKET), client


def put(client: Any) -> None:
    for key, content in BUNDLES.items():
        client.put_object(Bucket=BUCKET, Key=key, Body=content)


def stored(client: Any) -> dict[str, bytes]:
    keys = [item["Key"] for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    return {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def test_what_was_saved_is_loaded_once(copies: Any) -> None:
    saving, client = copies
    put(client)
    assert saving.save(saved := io.BytesIO()) == 3
    for key in BUNDLES:
        client.delete_object(Bucket=BUCKET, Key=key)

    assert saving.load(io.BytesIO(saved.getvalue())) == 3
    assert stored(client) == BUNDLES
    assert saving.load(io.BytesIO(saved.getvalue())) == 0


def test_a_tar_of_something_else_is_refused(copies: Any) -> None:
    loading, client = copies
    with tarfile.open(fileobj=(other := io.BytesIO()), mode="w") as tar:
        tar.addfile(tarfile.TarInfo("etc/passwd"))
    with pytest.raises(ValueError, match="etc/passwd"):
        loading.load(io.BytesIO(other.getvalue()))
    assert stored(client) == {}
