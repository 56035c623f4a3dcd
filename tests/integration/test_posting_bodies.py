"""Manifests in the body of a POST: limits, options and warnings, large ones, and those of the previous release."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import Any

import pytest

from chalicelib.db.database import Database
from chalicelib.db.models import Carts, Entries
from chalicelib.errors import BodyTooLarge, InvalidManifest, TooManyEntries
from chalicelib.manifest.reader import Entry
from chalicelib.posting import kept_entries
from chalicelib.posting.kept_entries import KeptEntries
from chalicelib.posting.limits import ManifestLimits
from tests.callers import ANYONE
from tests.integration.posting import Posting

FILES = [{"id": number, "path": f"d/f{number}"} for number in range(3)]


@pytest.fixture
def posting(database: Database) -> Posting:
    return Posting(database, limits=ManifestLimits(body=100_000, upload=1, entries=20_000))


def body(files: Any = FILES, **options: str) -> bytes:
    return json.dumps({"fileids": files, **options}).encode()


def test_a_large_manifest_is_inserted_as_a_whole_and_in_order(posting: Posting) -> None:
    count = 2 * kept_entries.BLOCK + 1
    files = [{"id": number, "path": f"f{number}"} for number in range(count)]
    posting.service.create(ANYONE, "big", gzip.compress(body(files)))
    cart = posting.carts.find("", "big")
    assert cart.files_total == count
    page = posting.entries.page(cart.id, kept_entries.BLOCK - 2, 4)
    assert [entry.archive_id for entry in page] == [str(kept_entries.BLOCK + n) for n in (-2, -1, 0, 1)]
    with posting.database.session() as db:
        assert Entries.select().where(Entries.cart_id == cart.id).count(db) == count
    posting.service.create(ANYONE, "big", body(files, root="big"))
    assert posting.carts.find("", "big") == cart, "the same in other words"


def test_kept_entries_can_be_read_again_and_again() -> None:
    entries = [Entry(str(number), f"é/{number}", "sha1", "0" * 40, number % 2) for number in range(12_000)]
    kept = KeptEntries(iter(entries))
    assert list(kept) == list(kept) == entries
    assert list(KeptEntries([])) == []


def test_limits_are_named_and_nothing_is_created(posting: Posting) -> None:
    many = [{"id": number, "path": f"f{number}"} for number in range(20_001)]
    packed = [body(many), body([{"id": 1, "path": "a", "note": "x" * 400_000}])]
    with pytest.raises(TooManyEntries, match="MAX_ENTRIES, 20000 files"):
        Posting(posting.database, limits=ManifestLimits(10**7, 1, 20_000)).service.create(ANYONE, "a", packed[0])
    with pytest.raises(BodyTooLarge, match="4 times MAX_BODY, unpacked, 400000 bytes"):
        posting.service.create(ANYONE, "a", gzip.compress(packed[1]))
    with posting.database.session() as db:
        assert Carts.select().count(db) == 0


def test_options_and_warnings_are_kept_and_answered(posting: Posting) -> None:
    odd = [{"id": 1, "path": "con.txt"}, {"id": 2, "path": "a"}, {"id": 3, "path": "A"}]
    created = posting.service.create(ANYONE, "a", body(odd, sums="sha256"))
    assert created.uid == "a"
    assert len(created.warnings) == 2
    status = posting.service.status(ANYONE, "a")
    assert list(status.warnings) == list(created.warnings)
    assert (status.cart.names, status.cart.sums) == ("", "sha256")
    again = posting.service.create(ANYONE, "a", body(odd, sums="sha256"))
    assert list(again.warnings) == list(created.warnings), "also of a cart that stays"
    with pytest.raises(InvalidManifest):
        posting.service.create(ANYONE, "a", body(odd, sums="sha256", names="portable"))
    assert posting.service.create(ANYONE, "a", body()).warnings == []
    assert posting.service.status(ANYONE, "a").warnings == []


def test_another_option_is_another_cart(posting: Posting) -> None:
    ids = []
    for options in ({}, {"names": "portable"}, {"sums": "sha256"}, {"root": "other"}):
        posting.service.create(ANYONE, "a", body(**options))
        ids.append(posting.carts.find("", "a").id)
    assert len(set(ids)) == 4


@pytest.mark.parametrize("where", ["before", "behind", "none"])
def test_a_cart_of_the_previous_release_is_the_same_manifest(posting: Posting, where: str) -> None:
    root = "a" if where == "none" else "top"
    documents = {
        "before": {"root": root, "fileids": FILES},
        "behind": {"fileids": FILES, "root": root},
        "none": {"fileids": FILES},
    }
    document = json.dumps(documents[where]).encode()
    posting.service.create(ANYONE, "a", document)
    lines = "".join(f"{entry['id']}\0{entry['path']}\0\0\n" for entry in FILES)
    former = hashlib.sha256(f"{root}\n{lines}".encode()).hexdigest()
    with posting.database.session() as db:
        Carts.update(digest=former).execute(db)
    cart = posting.carts.find("", "a")
    posting.service.create(ANYONE, "a", document)
    assert posting.carts.find("", "a") == cart
    with posting.database.session() as db:
        Carts.update(digest="0" * 64).execute(db)
    posting.service.create(ANYONE, "a", document)
    assert posting.carts.find("", "a").id != cart.id
