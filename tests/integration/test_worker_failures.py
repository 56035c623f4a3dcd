"""Failures of the archive: the cart says why, leaves nothing behind, and can be posted again."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import (
    MTIME_NS,
    assert_nothing_remains,
    assert_ready,
    assert_volume_consistent,
    generated,
    gets,
    manifest,
)
from workers.archive.client import ArchiveClient

FILES = generated(6, 3000)
FIRST, SECOND, *_ = FILES


@pytest.fixture
def impatient(site_of: Callable[..., Site]) -> Site:
    """A site that gives up a failing file after a second and cleans up quickly."""
    policies = {"workers_stopped_after": 0.5, "retries": {"while_down": 0.5}}
    return site_of(policies, LEASE="2", ARCHIVE_PATIENCE="1", ARCHIVE_READ_TIMEOUT="2")


def test_a_missing_file_ends_its_cart_and_the_same_manifest_works_when_the_archive_has_it(impatient: Site) -> None:
    impatient.simulator.control(missing=[SECOND, "gen-3000-4"])
    impatient.start_worker()
    impatient.system.service.create(ANYONE, "lost", manifest(FILES))
    cart = impatient.wait("lost")
    assert cart.state == "error"
    assert f"d/{SECOND}" in cart.message
    assert "2 of 6 files failed" in cart.message
    assert_nothing_remains(impatient)
    impatient.simulator.control(missing=[])
    impatient.system.service.create(ANYONE, "lost", manifest(FILES))
    assert_ready(impatient, "lost", FILES)
    assert_volume_consistent(impatient)


def test_a_file_that_cannot_be_read_ends_its_cart(impatient: Site) -> None:
    impatient.simulator.control(fail={SECOND: {"error": 1000}})
    impatient.start_worker()
    impatient.system.service.create(ANYONE, "lost", manifest(FILES))
    cart = impatient.wait("lost")
    assert cart.state == "error"
    assert f"d/{SECOND}" in cart.message
    assert "1 of 6 files failed" in cart.message
    assert_nothing_remains(impatient)
    impatient.simulator.control(fail={})
    impatient.system.service.create(ANYONE, "lost", manifest(FILES))
    assert_ready(impatient, "lost", FILES)


def test_a_file_with_a_wrong_hash_is_pulled_three_times_and_named(impatient: Site) -> None:
    impatient.start_worker()
    impatient.system.service.create(ANYONE, "wrong", manifest(FILES, wrong=[FIRST, SECOND]))
    cart = impatient.wait("wrong")
    assert cart.state == "error"
    assert f"d/{FIRST}" in cart.message
    assert "sha1" in cart.message
    assert "2 of 6 files failed" in cart.message
    assert [gets(impatient, name) for name in FILES] == [3, 3, 1, 1, 1, 1]
    assert_nothing_remains(impatient)


def test_a_file_that_arrives_with_wrong_bytes_twice_is_pulled_a_third_time(impatient: Site) -> None:
    impatient.simulator.control(fail={FIRST: {"wrong": 2}})
    impatient.start_worker()
    impatient.system.service.create(ANYONE, "recovered", manifest(FILES))
    assert_ready(impatient, "recovered", FILES)
    assert gets(impatient, FIRST) == 3


@pytest.mark.parametrize("fault", ["error", "reset", "truncate", "stall"])
def test_a_temporary_fault_is_retried(site_of: Callable[..., Site], fault: str) -> None:
    site = site_of(ARCHIVE_READ_TIMEOUT="1")
    site.simulator.control(fail={FIRST: {fault: 2}, SECOND: {fault: 1}})
    site.start_worker()
    site.system.service.create(ANYONE, "shaken", manifest(FILES))
    assert_ready(site, "shaken", FILES)
    assert_volume_consistent(site)


@pytest.mark.parametrize("fault", ["error", "reset"])
def test_a_cart_becomes_ready_although_a_tenth_of_all_requests_fail(site_of: Callable[..., Site], fault: str) -> None:
    files = generated(60, 1000)
    site = site_of()
    site.simulator.control(**{fault: 0.1})
    site.start_worker()
    site.system.service.create(ANYONE, "shaken", manifest(files))
    assert_ready(site, "shaken", files)
    assert_volume_consistent(site)


def test_time_in_which_the_archive_is_down_does_not_use_up_patience(impatient: Site) -> None:
    impatient.simulator.control(down=True)
    impatient.start_worker()
    impatient.system.service.create(ANYONE, "patient", manifest(FILES))
    with pytest.raises(AssertionError, match="is still"):
        impatient.wait("patient", 2.5)
    impatient.simulator.control(down=False)
    assert_ready(impatient, "patient", FILES)


def test_a_file_that_changes_between_recall_and_pull_is_laid_out_again(
    impatient: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient.put("report", b"old")
    impatient.simulator.control(fail={FIRST: {"error": 2}})
    files = {FIRST: FILES[FIRST], "report": b"new, and longer"}

    def change() -> None:
        impatient.put("report", files["report"])
        os.utime(impatient.folder / "archive" / "report", ns=(MTIME_NS, MTIME_NS))

    before_reading(monkeypatch, change)
    impatient.start_worker()
    impatient.system.service.create(ANYONE, "changed", manifest(files))
    assert_ready(impatient, "changed", files)
    assert_volume_consistent(impatient)


def test_a_file_that_changes_all_the_time_ends_its_cart(impatient: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    impatient.put("log", b"0")
    sizes = iter(range(2, 1000))

    def grow() -> None:
        impatient.put("log", b"0" * next(sizes))

    before_reading(monkeypatch, grow)
    impatient.start_worker()
    impatient.system.service.create(ANYONE, "growing", manifest({"log": b""}, ""))
    cart = impatient.wait("growing", 40)
    assert cart.state == "error"
    assert "change" in cart.message
    assert_nothing_remains(impatient)


def test_a_touched_file_named_twice_with_a_known_and_an_unknown_hash_is_bundled(impatient: Site) -> None:
    impatient.put("twice", b"content")
    impatient.start_worker()
    impatient.system.service.create(ANYONE, "first", manifest({"twice": b"content"}))
    impatient.wait("first")
    os.utime(impatient.folder / "archive" / "twice", ns=(MTIME_NS, MTIME_NS))
    body = manifest({"twice": b"content"})[:-2] + b", " + manifest({"twice": b"content"}, "md5")[13:]
    impatient.system.service.create(ANYONE, "second", body.replace(b"d/twice", b"e/twice", 1))
    assert impatient.wait("second", 10).state == "ready"


def before_reading(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Call `act` before each read of files from the archive."""
    for name in ("contents", "read"):
        monkeypatch.setattr(ArchiveClient, name, _after(act, getattr(ArchiveClient, name)))


def _after(act: Callable[[], None], original: Callable[..., Any]) -> Callable[..., Any]:
    def reading(*args: Any, **kwargs: Any) -> Any:
        act()
        return original(*args, **kwargs)

    return reading
