"""Archives that fail in every way: the cart says why, leaves nothing half-made, and can be posted again."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.conftest import Site
from tests.integration.worker_site import (
    MTIME_NS,
    assert_nothing_remains,
    assert_ready,
    assert_volume_exact,
    generated,
    gets,
    manifest,
)
from workers.archive.client import ArchiveClient

FILES = generated(6, 3000)
FIRST, SECOND, *_ = FILES


@pytest.fixture
def hasty(site_of: Callable[..., Site]) -> Site:
    """A site that loses patience after a second and looks twice at what dead carts left soon."""
    return site_of({"workers_stopped_after": 2.5}, LEASE="2", ARCHIVE_PATIENCE="1", ARCHIVE_READ_TIMEOUT="2")


def test_a_missing_file_ends_its_cart_and_the_same_manifest_works_once_the_archive_has_it(hasty: Site) -> None:
    hasty.simulator.control(missing=[SECOND, "gen-3000-4"])
    hasty.start_worker()
    hasty.system.service.create("", "lost", manifest(FILES))
    cart = hasty.wait("lost")
    assert cart.state == "error"
    assert f"d/{SECOND}" in cart.message
    assert "2 of 6 files failed" in cart.message
    assert_nothing_remains(hasty)
    hasty.simulator.control(missing=[])
    hasty.system.service.create("", "lost", manifest(FILES))
    assert_ready(hasty, "lost", FILES)
    assert_volume_exact(hasty)


def test_a_file_whose_content_cannot_be_had_ends_its_cart(hasty: Site) -> None:
    hasty.simulator.control(fail={SECOND: {"error": 1000}})
    hasty.start_worker()
    hasty.system.service.create("", "lost", manifest(FILES))
    cart = hasty.wait("lost")
    assert cart.state == "error"
    assert f"d/{SECOND}" in cart.message
    assert "1 of 6 files failed" in cart.message
    assert_nothing_remains(hasty)
    hasty.simulator.control(fail={})
    hasty.system.service.create("", "lost", manifest(FILES))
    assert_ready(hasty, "lost", FILES)


def test_a_wrong_hash_is_pulled_three_times_and_named(hasty: Site) -> None:
    hasty.start_worker()
    hasty.system.service.create("", "wrong", manifest(FILES, wrong=[FIRST, SECOND]))
    cart = hasty.wait("wrong")
    assert cart.state == "error"
    assert f"d/{FIRST}" in cart.message
    assert "sha1" in cart.message
    assert "2 of 6 files failed" in cart.message
    assert [gets(hasty, name) for name in FILES] == [3, 3, 1, 1, 1, 1]
    assert_nothing_remains(hasty)


def test_bytes_that_were_wrong_twice_are_right_in_the_end(hasty: Site) -> None:
    hasty.simulator.control(fail={FIRST: {"wrong": 2}})
    hasty.start_worker()
    hasty.system.service.create("", "mended", manifest(FILES))
    assert_ready(hasty, "mended", FILES)
    assert gets(hasty, FIRST) == 3


@pytest.mark.parametrize("fault", ["error", "reset", "truncate", "stall"])
def test_a_fault_that_passes_is_waited_out(site_of: Callable[..., Site], fault: str) -> None:
    site = site_of(ARCHIVE_READ_TIMEOUT="1")
    site.simulator.control(fail={FIRST: {fault: 2}, SECOND: {fault: 1}})
    site.start_worker()
    site.system.service.create("", "shaken", manifest(FILES))
    assert_ready(site, "shaken", FILES)
    assert_volume_exact(site)


@pytest.mark.parametrize("fault", ["error", "reset"])
def test_a_tenth_of_all_requests_may_fail(site_of: Callable[..., Site], fault: str) -> None:
    files = generated(60, 1000)
    site = site_of()
    site.simulator.control(**{fault: 0.1})
    site.start_worker()
    site.system.service.create("", "shaken", manifest(files))
    assert_ready(site, "shaken", files)
    assert_volume_exact(site)


def test_time_in_which_the_archive_is_down_does_not_count(hasty: Site) -> None:
    hasty.simulator.control(down=True)
    hasty.start_worker()
    hasty.system.service.create("", "patient", manifest(FILES))
    with pytest.raises(AssertionError, match="is still"):
        hasty.wait("patient", 3)
    hasty.simulator.control(down=False)
    assert_ready(hasty, "patient", FILES)


def test_a_file_that_changes_between_recall_and_pull_is_laid_out_anew(
    hasty: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty.put("report", b"old")
    hasty.simulator.control(fail={FIRST: {"error": 2}})
    files = {FIRST: FILES[FIRST], "report": b"new, and longer"}

    def change() -> None:
        hasty.put("report", files["report"])
        os.utime(hasty.folder / "archive" / "report", ns=(MTIME_NS, MTIME_NS))

    before_reading(monkeypatch, change)
    hasty.start_worker()
    hasty.system.service.create("", "changed", manifest(files))
    assert_ready(hasty, "changed", files)
    assert_volume_exact(hasty)


def test_a_file_that_changes_for_ever_ends_its_cart(hasty: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    hasty.put("log", b"0")
    sizes = iter(range(2, 1000))

    def grow() -> None:
        hasty.put("log", b"0" * next(sizes))

    before_reading(monkeypatch, grow)
    hasty.start_worker()
    hasty.system.service.create("", "growing", manifest({"log": b""}, ""))
    cart = hasty.wait("growing", 40)
    assert cart.state == "error"
    assert "change" in cart.message
    assert_nothing_remains(hasty)


def test_one_file_named_twice_with_a_known_and_an_unknown_hash_is_bundled_after_it_was_touched(hasty: Site) -> None:
    hasty.put("twice", b"content")
    hasty.start_worker()
    hasty.system.service.create("", "first", manifest({"twice": b"content"}))
    hasty.wait("first")
    os.utime(hasty.folder / "archive" / "twice", ns=(MTIME_NS, MTIME_NS))
    body = manifest({"twice": b"content"})[:-2] + b", " + manifest({"twice": b"content"}, "md5")[13:]
    hasty.system.service.create("", "second", body.replace(b"d/twice", b"e/twice", 1))
    assert hasty.wait("second", 10).state == "ready"


def before_reading(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Have `act` done just before files are read from the archive."""
    for name in ("contents", "read"):
        monkeypatch.setattr(ArchiveClient, name, _after(act, getattr(ArchiveClient, name)))


def _after(act: Callable[[], None], original: Callable[..., Any]) -> Callable[..., Any]:
    def reading(*args: Any, **kwargs: Any) -> Any:
        act()
        return original(*args, **kwargs)

    return reading
