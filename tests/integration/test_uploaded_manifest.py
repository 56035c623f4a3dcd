"""Manifests too large for a request, and gzipped ones."""

from __future__ import annotations

import gzip
import itertools
import json
import urllib.request

import pytest

from chalicelib.errors import InvalidManifest
from tests.integration.conftest import Site
from tests.integration.worker_site import members

FILES = [{"id": f"gen-10-{n}", "path": f"a/b{n % 7}/f{n}"} for n in range(12)]
UPLOADED = b'{"manifest": "uploaded"}'
DOCUMENT = json.dumps({"fileids": FILES, "root": "top"}).encode()
LINES = b"\n".join(json.dumps(line).encode() for line in [{"root": "top"}, *FILES])


def upload(site: Site, uid: str, body: bytes) -> None:
    url, _ = site.system.service.manifest_upload_url("", uid)
    request = urllib.request.Request(url, data=body, method="PUT", headers={"Content-Type": "application/octet-stream"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("body", [DOCUMENT, LINES, gzip.compress(DOCUMENT, mtime=0), gzip.compress(LINES, mtime=0)])
def test_an_uploaded_manifest_becomes_a_bundle(site: Site, body: bytes) -> None:
    site.start_worker()
    upload(site, "up", body)
    site.system.service.create("", "up", UPLOADED)
    cart = site.wait("up")
    assert (cart.state, cart.message, cart.files_total) == ("ready", "", 12)
    assert sorted(members(site.bundle("up"))) == sorted(f"top/{entry['path']}" for entry in FILES)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"not json", "is not JSON"),
        (json.dumps({"fileids": [*FILES, {"id": "x", "path": "../up"}]}).encode(), "fileids[12].path: "),
        (json.dumps({"fileids": [*FILES, FILES[3]]}).encode(), "fileids[12].path: "),
        (b'{"fileids": []}', "fileids: is empty"),
        (b'{"other": []}', "fileids: is missing"),
        (gzip.compress(DOCUMENT, mtime=0)[:-9], "gzip"),
        (json.dumps({"fileids": FILES, "root": "a/b"}).encode(), "root: "),
        (LINES + b"\n{broken", "line 14: is not JSON"),
    ],
)
def test_the_problems_of_an_upload_name_their_place(site: Site, body: bytes, message: str) -> None:
    site.start_worker()
    upload(site, "bad", body)
    site.system.service.create("", "bad", UPLOADED)
    cart = site.wait("bad")
    assert cart.state == "error"
    assert message in cart.message
    assert site.stored() == []


def test_a_refused_upload_is_deleted_but_not_a_newer_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = site.start_worker()
    digest = worker.system.uploads.digest
    calls = itertools.count()

    def late(key: str) -> str | None:
        if next(calls) == 1:  # the second call is just before the deletion
            upload(site, "bad", DOCUMENT)
        return digest(key)

    monkeypatch.setattr(worker.system.uploads, "digest", late)
    upload(site, "bad", b"not json")
    site.system.service.create("", "bad", UPLOADED)
    assert site.wait("bad").state == "error"
    assert site.stored() == ["manifests//bad"]


def test_a_missing_upload_is_reported_as_such(site: Site) -> None:
    upload(site, "gone", DOCUMENT)
    site.system.service.create("", "gone", UPLOADED)
    site.system.uploads.delete("manifests//gone")
    site.start_worker()
    assert "upload and post it again" in site.wait("gone").message


def test_a_post_without_an_upload_is_refused(site: Site) -> None:
    with pytest.raises(InvalidManifest, match="nothing has been uploaded"):
        site.system.service.create("", "none", UPLOADED)


def test_a_gzip_bomb_ends_in_an_error(site_of: object) -> None:
    site: Site = site_of(MAX_MANIFEST="1M")  # type: ignore[operator]
    site.start_worker()
    upload(site, "bomb", gzip.compress(b" " * (64 << 20)))
    site.system.service.create("", "bomb", UPLOADED)
    cart = site.wait("bomb")
    assert (cart.state, "MAX_MANIFEST" in cart.message) == ("error", True)


def test_the_same_post_again_after_the_upload_was_read_changes_nothing(site: Site) -> None:
    site.start_worker()
    upload(site, "again", DOCUMENT)
    site.system.service.create("", "again", UPLOADED)
    cart = site.wait("again")
    site.system.service.create("", "again", UPLOADED)
    assert site.system.service.find("", "again") == cart
