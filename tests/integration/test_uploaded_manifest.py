"""Manifests too large for a request: uploaded to moto or SeaweedFS, bound by a POST, read by a worker."""

from __future__ import annotations

import dataclasses
import gzip
import json
import threading
import urllib.request
from collections.abc import Callable, Iterator

import boto3
import pytest

from chalicelib.db.models import Carts, Jobs, Uploads
from chalicelib.errors import InvalidManifest
from chalicelib.stores.job_row import JobKind
from tests.callers import ANYONE
from tests.contracts.seaweed import seaweed
from tests.integration.conftest import KEYS, Site
from tests.integration.worker_site import members, until

FILES = [{"id": f"gen-10-{n}", "path": f"a/b{n % 7}/f{n}"} for n in range(12)]
OTHERS = [{"id": f"gen-20-{n}", "path": f"other/f{n}"} for n in range(3)]
UPLOADED = b'{"manifest": "uploaded"}'
DOCUMENT = json.dumps({"fileids": FILES, "root": "top"}).encode()
OTHER = json.dumps({"fileids": OTHERS, "root": "top"}).encode()
LINES = b"\n".join(json.dumps(line).encode() for line in [{"root": "top"}, *FILES])


@pytest.fixture(scope="module")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with seaweed(tmp_path_factory.mktemp("weed"), KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"]) as url:
        yield url


@pytest.fixture(params=["moto", "seaweed"])
def stored_site(request: pytest.FixtureRequest, site_of: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site whose bundle store is moto or SeaweedFS."""
    if request.param == "moto":
        return site_of()
    url = request.getfixturevalue("weed")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
    site = site_of(AWS_ENDPOINT_URL_S3=url)
    boto3.client("s3").create_bucket(Bucket=site.variables["BUNDLE_BUCKET"])
    return site


def upload(site: Site, uid: str, body: bytes) -> str:
    """Upload a manifest as a client does; the upload's name."""
    slot = site.system.service.manifest_upload(ANYONE, uid)
    put(slot.url, body)
    return slot.upload


def put(url: str, body: bytes) -> None:
    request = urllib.request.Request(url, data=body, method="PUT", headers={"Content-Type": "application/octet-stream"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


def post(site: Site, uid: str, name: str = "") -> None:
    body = json.dumps({"manifest": "uploaded", "upload": name}).encode() if name else UPLOADED
    site.system.service.create(ANYONE, uid, body)


def paths(site: Site, uid: str) -> list[str]:
    return sorted(members(site.bundle(uid)))


def expected(files: list[dict[str, str]]) -> list[str]:
    return sorted(f"top/{entry['path']}" for entry in files)


@pytest.mark.parametrize("body", [DOCUMENT, LINES, gzip.compress(DOCUMENT, mtime=0), gzip.compress(LINES, mtime=0)])
def test_an_uploaded_manifest_becomes_a_bundle(site: Site, body: bytes) -> None:
    site.start_worker()
    upload(site, "up", body)
    post(site, "up")
    cart = site.wait("up")
    assert (cart.state, cart.message, cart.files_total) == ("ready", "", 12)
    assert paths(site, "up") == expected(FILES)
    assert manifests(site) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"not json", "body: "),
        (b"", "body: "),
        (json.dumps({"fileids": [*FILES, {"id": "x", "path": "../up"}]}).encode(), "fileids[12].path: "),
        (json.dumps({"fileids": [*FILES, FILES[3]]}).encode(), "fileids[12].path: "),
        (b'{"fileids": []}', "fileids: "),
        (b'{"other": []}', "fileids: "),
        (gzip.compress(DOCUMENT, mtime=0)[:-9], "gzip"),
        (json.dumps({"fileids": FILES, "root": "a/b"}).encode(), "root: "),
        (LINES + b"\n{broken", "line 14"),
    ],
)
def test_the_problems_of_an_upload_name_their_place_and_it_is_deleted(site: Site, body: bytes, message: str) -> None:
    site.start_worker()
    upload(site, "bad", body)
    post(site, "bad")
    cart = site.wait("bad")
    assert cart.state == "error"
    assert message in cart.message
    until(lambda: site.stored() == [], message="the upload is still there")
    with pytest.raises(InvalidManifest, match="upload the manifest there"):
        post(site, "bad")


def test_a_version_put_while_the_first_is_read_is_never_taken_for_it(stored_site: Site) -> None:
    """v2 PUT under the same URL while v1 is being read, then posted: v1 is the cart, and the POST says so."""
    site = stored_site
    worker = site.start_worker()
    slot = site.system.service.manifest_upload(ANYONE, "up")
    put(slot.url, DOCUMENT)
    reading, go_on = hold_reads(worker.system.manifests)
    post(site, "up")
    assert reading.wait(10)
    put(slot.url, OTHER)
    with pytest.raises(InvalidManifest, match="has changed since it was posted"):
        post(site, "up")
    go_on.set()
    assert site.wait("up").state == "ready"
    assert paths(site, "up") == expected(FILES)


def test_a_new_upload_while_the_first_is_read_is_a_cart_of_its_own(stored_site: Site) -> None:
    """v2 uploaded and posted while v1 is being read: the cart is v2, and v1 is deleted."""
    site = stored_site
    worker = site.start_worker()
    upload(site, "up", DOCUMENT)
    reading, go_on = hold_reads(worker.system.manifests)
    post(site, "up")
    assert reading.wait(10)
    upload(site, "up", OTHER)
    post(site, "up")
    go_on.set()
    assert site.wait("up").state == "ready"
    assert paths(site, "up") == expected(OTHERS)
    until(lambda: manifests(site) == [], message="an upload is still there")


def test_what_is_overwritten_before_it_is_read_fails_the_cart(stored_site: Site) -> None:
    """PUT A, POST, PUT B, and then a worker reads: neither A nor B, and the cart says why."""
    site = stored_site
    slot = site.system.service.manifest_upload(ANYONE, "up")
    put(slot.url, DOCUMENT)
    post(site, "up")
    put(slot.url, OTHER)
    site.start_worker()
    cart = site.wait("up")
    assert cart.state == "error"
    assert "was overwritten after it was posted" in cart.message
    upload(site, "up", DOCUMENT)
    post(site, "up")
    assert site.wait("up").state == "ready"
    assert paths(site, "up") == expected(FILES)


def test_a_client_that_repeats_its_put_and_its_post_gets_its_cart(stored_site: Site) -> None:
    site = stored_site
    slot = site.system.service.manifest_upload(ANYONE, "up")
    for _ in range(2):
        put(slot.url, DOCUMENT)
        post(site, "up", slot.upload)
    site.start_worker()
    cart = site.wait("up")
    put(slot.url, DOCUMENT)
    post(site, "up", slot.upload)
    assert site.system.service.find(ANYONE, "up").id == cart.id
    assert cart.state == "ready"


def test_after_a_delete_no_cart_comes_from_an_upload_of_before(site: Site) -> None:
    site.start_worker()
    upload(site, "up", DOCUMENT)
    post(site, "up")
    site.wait("up")
    upload(site, "up", OTHER)
    site.system.service.delete(ANYONE, "up")
    with pytest.raises(InvalidManifest):
        post(site, "up")


def test_a_url_of_before_writes_nobody_elses_manifest(site: Site) -> None:
    old = site.system.service.manifest_upload(ANYONE, "up")
    upload(site, "up", DOCUMENT)
    post(site, "up")
    put(old.url, OTHER)
    site.start_worker()
    assert site.wait("up").state == "ready"
    assert paths(site, "up") == expected(FILES)


def test_a_missing_upload_is_reported_as_such(stored_site: Site) -> None:
    site = stored_site
    token = upload(site, "gone", DOCUMENT)
    post(site, "gone")
    site.system.manifests.delete([f"manifests/{token}"])
    site.start_worker()
    assert "upload and post it again" in site.wait("gone").message


def test_a_replaced_carts_unread_upload_is_deleted(site: Site) -> None:
    upload(site, "up", DOCUMENT)
    post(site, "up")
    site.system.service.create(ANYONE, "up", OTHER)
    site.start_worker()
    assert site.wait("up").state == "ready"
    until(lambda: manifests(site) == [], message="the upload is still there")


def test_a_deleted_carts_unread_upload_is_deleted(site: Site) -> None:
    upload(site, "up", DOCUMENT)
    post(site, "up")
    site.system.service.delete(ANYONE, "up")
    site.start_worker()
    until(lambda: site.stored() == [], message="the upload is still there")


def test_options_of_the_post_hold_for_the_upload(site: Site) -> None:
    site.start_worker()
    upload(site, "up", json.dumps({"fileids": FILES}).encode())
    site.system.service.create(ANYONE, "up", b'{"manifest": "uploaded", "root": "zz"}')
    cart = site.wait("up")
    assert (cart.state, cart.root) == ("ready", "zz")
    assert all(path.startswith("zz/") for path in paths(site, "up"))


@pytest.mark.parametrize("root", ["zz", "up"])
def test_an_option_said_twice_and_differently_fails_the_cart(site: Site, root: str) -> None:
    site.start_worker()
    upload(site, "up", DOCUMENT)
    site.system.service.create(ANYONE, "up", json.dumps({"manifest": "uploaded", "root": root}).encode())
    cart = site.wait("up")
    assert (cart.state, "root: " in cart.message) == ("error", True)


def test_a_gzip_bomb_ends_in_an_error(site_of: Callable[..., Site]) -> None:
    site = site_of(MAX_MANIFEST="1M")
    site.start_worker()
    upload(site, "bomb", gzip.compress(b" " * (64 << 20)))
    post(site, "bomb")
    cart = site.wait("bomb")
    assert (cart.state, "MAX_MANIFEST, 1048576 bytes" in cart.message) == ("error", True)


def test_too_many_entries_end_in_an_error(site_of: Callable[..., Site]) -> None:
    site = site_of(MAX_ENTRIES="11")
    site.start_worker()
    upload(site, "many", DOCUMENT)
    post(site, "many")
    cart = site.wait("many")
    assert (cart.state, "MAX_ENTRIES" in cart.message) == ("error", True)


def test_the_same_post_again_after_the_upload_was_read_changes_nothing(stored_site: Site) -> None:
    site = stored_site
    site.start_worker()
    token = upload(site, "again", DOCUMENT)
    post(site, "again")
    cart = site.wait("again")
    for name in ("", token, upload(site, "again", DOCUMENT)):
        post(site, "again", name)
        found = site.system.service.find(ANYONE, "again")
        assert dataclasses.replace(found, used_at=cart.used_at) == cart, "it is kept longer, and nothing else"


def test_a_cart_that_the_previous_release_posted_is_read(site: Site) -> None:
    """It has no row of its upload, which lies under the uid; its root is the uid until it is read."""
    s3, bucket = boto3.client("s3"), site.variables["BUNDLE_BUCKET"]
    token = upload(site, "up", DOCUMENT)
    post(site, "up")
    s3.put_object(Bucket=bucket, Key="manifests//up", Body=DOCUMENT)
    s3.delete_object(Bucket=bucket, Key=f"manifests/{token}")
    with site.system.database.session() as db:
        Carts.update(root="up", uploaded=0).execute(db)
        Uploads.delete().execute(db)
        Jobs.update(kind=JobKind.MANIFEST).execute(db)
    site.start_worker()
    assert site.wait("up").state == "ready"
    assert paths(site, "up") == expected(FILES)
    assert manifests(site) == []
    post(site, "up")
    assert site.system.service.find(ANYONE, "up").state == "ready"


def manifests(site: Site) -> list[str]:
    """Keys of the uploads in the store."""
    return [key for key in site.stored() if key.startswith("manifests/")]


def hold_reads(store: object) -> tuple[threading.Event, threading.Event]:
    """Stop the first reader of an upload between its blocks: set when it waits; to be set when it may go on."""
    reading, go_on = threading.Event(), threading.Event()
    read = store.read  # type: ignore[attr-defined]

    def held(key: str, etag: str) -> Iterator[bytes]:
        for block in read(key, etag):
            reading.set()
            assert go_on.wait(20)
            yield block

    store.read = held  # type: ignore[attr-defined]
    return reading, go_on
