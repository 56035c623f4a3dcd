"""Files that fail while a window is staged: another chance, a later one, or the end of the cart."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.db.states import WaitsFor
from chalicelib.errors import ArchiveRefused, ArchiveUnavailable, EntriesFailed, LayoutChanged
from tests.doubles.archive import MTIME_NS
from tests.doubles.site import MemorySite, expired
from workers.runtime.outcomes import Defer

FILES = {"x": b"hello", "y": b"world!"}


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    return MemorySite(tmp_path)


def test_a_file_that_fails_once_is_retried_within_the_same_run(site: MemorySite) -> None:
    cart = site.lay_out("a", FILES)
    site.archive.files["y"].error = ArchiveUnavailable("busy")

    def recover() -> None:
        site.archive.files["y"].error = None

    site.stopping.meanwhile = recover
    site.stage(cart)
    assert site.archive.asked.count(("GET", "y")) == 2
    assert site.archive.asked.count(("GET", "x")) == 1


def test_a_file_that_goes_on_failing_is_deferred_and_the_others_are_recorded(site: MemorySite) -> None:
    cart = site.lay_out("a", FILES)
    site.archive.files["y"].error = ArchiveUnavailable("broken")
    lease, work, actions = site.reserve(cart)
    assert site.stager.stage(lease, work, actions) == Defer(1.0, WaitsFor.ARCHIVE, "the archive is failing: broken")
    assert site.cart(cart.id).files_staged == 1
    _, failing = site.world.entries.page(cart.id, 0, 2)
    assert (failing.failing_s, failing.error) == (0.5, "")


def test_a_file_that_fails_for_longer_than_the_patience_fails_the_cart_with_a_count(site: MemorySite) -> None:
    cart = site.lay_out("a", FILES)
    site.archive.files["y"].error = ArchiveUnavailable("broken")
    lease, _, actions = site.reserve(cart)

    def stage_until_it_fails() -> None:
        for _ in range(99):
            site.stager.stage(lease, site.work(cart), actions)
            site.world.jobs.renew([lease.job])
            site.database.advance(15)

    with pytest.raises(EntriesFailed) as caught:
        stage_until_it_fails()
    assert caught.value.message == "y (id y): broken; 1 of 2 files failed"
    assert site.world.entries.errors(cart.id)[0] == 1


def test_a_file_the_archive_refuses_fails_the_cart_at_once(site: MemorySite) -> None:
    cart = site.lay_out("a", FILES)
    site.archive.files["x"].error = ArchiveRefused("archive answered 404")
    with pytest.raises(EntriesFailed) as caught:
        site.stage(cart)
    assert caught.value.message == (
        "The archive has no file with id 'x' (HTTP 404). Check the id, then post the manifest again. Path: x; "
        "1 of 2 files failed"
    ), "as for one that a look-up does not find"
    assert site.cart(cart.id).files_staged == 1, "the other file stays, for other carts"


def test_failures_of_long_ago_use_up_no_patience_once_the_file_was_staged(site: MemorySite) -> None:
    cart = site.lay_out("a", FILES)
    site.archive.files["y"].error = ArchiveUnavailable("busy")

    def recover() -> None:
        site.archive.files["y"].error = None

    site.stopping.meanwhile = recover
    lease, work = site.stage(cart)
    assert [(entry.failing_at, entry.failing_reason) for entry in work.entries] == [(None, "")] * 2
    site.database.advance(3600)
    site.volume.path("y").unlink()
    lease = expired(lease, site)
    assert isinstance(site.window_handler.run(lease), Defer)
    site.archive.files["y"].error = ArchiveUnavailable("busy")
    site.stopping.meanwhile = lambda: None
    assert isinstance(site.window_handler.run(lease), Defer), "it is retried, and not given up"


def test_while_the_archive_is_down_no_patience_is_used_up(site: MemorySite) -> None:
    cart = site.lay_out("a", FILES)
    site.archive.is_down = True
    lease, work, actions = site.reserve(cart)
    for _ in range(5):
        assert site.stager.stage(lease, work, actions) == Defer(
            5.0, WaitsFor.ARCHIVE, "the archive is down: archive answered 503"
        )
        site.world.jobs.renew([lease.job])
        site.database.advance(20)
        work = site.work(cart)
    assert {entry.failing_s for entry in work.entries} == {0.0}


def test_a_file_that_went_back_to_tape_is_recalled_again_and_waited_for(site: MemorySite) -> None:
    cart = site.lay_out("a", FILES)
    lease, work, actions = site.reserve(cart)
    site.archive.files["y"].media = "tape"
    site.archive.files["y"].errors["GET"] = ArchiveUnavailable("archive answered 500")
    assert site.stager.stage(lease, work, actions) == Defer(30.0, WaitsFor.TAPE, "files went back to tape")
    assert site.archive.count("POST") == 1
    assert {entry.failing_s for entry in site.work(cart).entries} == {0.0}, "tape uses up no patience"


def test_a_wrong_hash_is_final_after_several_tries(site: MemorySite) -> None:
    cart = site.lay_out("a", FILES)
    site.archive.files["y"].content = b"w0rld!"
    with pytest.raises(EntriesFailed, match=r"^y \(id y\): its sha1 is [0-9a-f]{40}, the manifest says"):
        site.stage(cart)
    assert site.archive.asked.count(("GET", "y")) == 3
    assert list((site.root / "tmp").iterdir()) == []


def test_a_wrong_hash_once_is_pulled_again(site: MemorySite) -> None:
    cart = site.lay_out("a", FILES)
    site.archive.files["y"].content = b"w0rld!"

    def repair(archive_id: str) -> None:
        if site.archive.asked.count(("GET", "y")):
            site.archive.files["y"].content = FILES["y"]

    site.archive.on_request = repair
    site.stage(cart)
    assert site.volume.path("y").read_bytes() == FILES["y"]


@pytest.mark.parametrize("content", [b"w0rld!", b"short"])
def test_wrong_bytes_of_a_file_with_another_mtime_void_the_layout(site: MemorySite, content: bytes) -> None:
    cart = site.lay_out("a", FILES)
    site.archive.files["y"].content, site.archive.files["y"].mtime_ns = content, MTIME_NS + 1
    with pytest.raises(LayoutChanged):
        site.stage(cart)


def test_a_file_without_a_hash_is_checked_by_its_size(site: MemorySite) -> None:
    cart = site.lay_out("a", FILES)
    site.database.tables.entries[cart.id, 1].hash_hex = ""
    site.archive.files["y"].content = b"short"
    with pytest.raises(LayoutChanged):
        site.stage(cart)
    assert not site.volume.path("y").exists()


def test_a_file_that_has_changed_in_the_archive_voids_the_layout(site: MemorySite) -> None:
    cart = site.lay_out("a", FILES)
    site.archive.files["y"].content = b"a new version"
    site.archive.files["y"].mtime_ns = MTIME_NS + 1
    with pytest.raises(LayoutChanged):
        site.stage(cart)
