"""One file of the archive at several paths of a cart: only the entries whose own hash is wrong are to blame.

A hash is written as its name, with a `!` before it where the manifest has that of other bytes.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import pytest

from chalicelib.db.states import WindowState
from chalicelib.errors import ArchiveRefused, EntriesFailed
from chalicelib.manifest.reader import Entry
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.manifest_row import ManifestRow
from tests.doubles.archive import MTIME_NS
from tests.doubles.site import MemorySite
from workers.staging.pull_batch import SMALL
from workers.stores.windows import Window

CONTENT = b"hello"


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    return MemorySite(tmp_path)


@pytest.mark.parametrize("content", [CONTENT, b"large" * SMALL], ids=["small", "large"])
@pytest.mark.parametrize(
    ("hashes", "blamed"),
    [
        (["md5", "!md5"], [1]),
        (["!md5", "md5"], [0]),
        (["sha256", "!md5"], [1]),
        (["!sha256", "md5"], [0]),
        (["", "!sha1"], [1]),
        (["!sha1", ""], [0]),
        (["!md5", "!sha256"], [0, 1]),
        (["md5", "!md5", "", "sha512", "!sha512"], [1, 4]),
    ],
)
def test_only_the_entry_whose_hash_is_wrong_is_named(
    site: MemorySite, hashes: list[str], blamed: list[int], content: bytes
) -> None:
    cart = post(site, "a", hashes, content=content)
    with pytest.raises(EntriesFailed) as caught:
        site.stage(cart)
    assert named(site, cart) == blamed
    assert caught.value.message.startswith(f"p{blamed[0]} (id x): its {hashes[blamed[0]][1:]} is ")
    assert caught.value.message.endswith(f"; {len(blamed)} of {len(hashes)} files failed")
    assert site.archive.count("GET") == 3


def test_a_file_that_is_staged_already_is_verified_and_the_wrong_entry_named(site: MemorySite) -> None:
    site.stage(post(site, "earlier", ["sha1"]))
    cart = post(site, "a", ["md5", "!sha256", "sha1"])
    with pytest.raises(EntriesFailed, match=r"^p1 \(id x\): its sha256 is .*; 1 of 3 files failed$"):
        site.stage(cart)
    assert named(site, cart) == [1]
    assert site.archive.count("GET") == 1 + 3
    assert site.volume.path("x").read_bytes() == CONTENT, "the earlier cart still needs it"


def test_a_hash_that_is_known_to_differ_is_named_after_three_pulls(site: MemorySite) -> None:
    site.stage(post(site, "earlier", ["md5"]))
    cart = post(site, "a", ["md5", "!md5"])
    with pytest.raises(EntriesFailed, match=r"^p1 .*; 1 of 2 files failed$"):
        site.stage(cart)
    assert site.archive.count("GET") == 1 + 3


def test_of_two_windows_with_one_file_only_the_entry_of_one_is_named(site: MemorySite) -> None:
    cart = post(site, "a", ["md5", "!md5"], windows=2)
    site.stage(cart, 0)
    with pytest.raises(EntriesFailed, match=r"^p1 .*; 1 of 2 files failed$"):
        site.stage(cart, 1)
    assert named(site, cart) == [1]


def test_the_other_order_of_two_windows_names_the_same_entry(site: MemorySite) -> None:
    cart = post(site, "a", ["md5", "!md5"], windows=2)
    with pytest.raises(EntriesFailed, match=r"^p1 .*; 1 of 2 files failed$"):
        site.stage(cart, 1)
    assert named(site, cart) == [1]


def test_wrong_bytes_once_blame_nobody(site: MemorySite) -> None:
    cart = post(site, "a", ["md5", "sha256"])
    site.archive.files["x"].content = b"hell0"

    def repair(archive_id: str) -> None:
        if site.archive.count("GET"):
            site.archive.files["x"].content = CONTENT

    site.archive.on_request = repair
    site.stage(cart)
    assert named(site, cart) == []


@pytest.mark.parametrize("content", [CONTENT, b"large" * SMALL], ids=["small", "large"])
@pytest.mark.parametrize(("text", "alone"), [("md5", 0), ("", 1), ("!md5", 2)])
def test_what_no_hash_verifies_and_what_was_wrong_is_pulled_on_a_connection_of_its_own(
    site: MemorySite, text: str, alone: int, content: bytes
) -> None:
    with suppress(EntriesFailed):
        site.stage(post(site, "a", [text], content=content))
    assert site.archive.alone == ["x"] * alone


def test_a_file_that_the_archive_refuses_is_missing_at_each_of_its_paths(site: MemorySite) -> None:
    cart = post(site, "a", ["md5", ""])
    site.archive.files["x"].error = ArchiveRefused("archive answered 404")
    with pytest.raises(EntriesFailed, match=r"no file with id 'x' \(HTTP 404\)\. .* Path: p0; 2 of 2 files failed$"):
        site.stage(cart)


def post(site: MemorySite, uid: str, hashes: list[str], content: bytes = CONTENT, windows: int = 1) -> Cart:
    """A cart with its windows taken: file `x` of the archive at the paths p0, p1 and so on, each with one hash."""
    site.archive.put("x", content)
    entries = [Entry("x", f"p{number}", *hash_of(text, content), 0) for number, text in enumerate(hashes)]
    files = len(entries) // windows
    rows = [Window(number, number * files, files, 1024, number + 1, WindowState.TAKEN) for number in range(windows)]

    def write() -> int:
        cart_id = site.world.carts.insert("", uid, ManifestRow(uid, "d" * 64, len(entries)))
        site.world.entries.add(cart_id, 0, entries)
        site.world.windows.insert(cart_id, rows)
        return cart_id

    cart = site.cart(site.database.transaction(write))
    found = site.world.entries.page(cart.id, 0, len(entries))
    for entry in found:
        entry.size, entry.mtime_ns = len(content), MTIME_NS
    site.database.transaction(lambda: site.world.entries.record_found(found))
    return cart


def hash_of(text: str, content: bytes) -> tuple[str, str]:
    name = text.removeprefix("!")
    return (name, hashlib.new(name, b"other" if name != text else content).hexdigest()) if name else ("", "")


def named(site: MemorySite, cart: Cart) -> list[int]:
    """The positions of the entries with an error."""
    return [entry.position for entry in site.world.entries.page(cart.id, 0, 99) if entry.error]
