"""Carts of several windows: the parts of several workers make one correct tar, whatever fails in between."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.aws.bundle_store import BundleStore
from chalicelib.db.models import Jobs
from chalicelib.db.volume_models import StagedFiles
from chalicelib.errors import StoreUnavailable
from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import (
    MIB,
    assert_ready,
    assert_volume_consistent,
    generated,
    gets,
    manifest,
    rows,
    staged_path,
    until,
)
from workers.handlers.upload_window import WindowUpload

WINDOWS = generated(5, 6 * MIB)
ONE = generated(1, 23 * MIB)


@pytest.fixture
def windowed(site_of: Callable[..., Site]) -> Site:
    return site_of(PART_SIZE="5M", WINDOW_SIZE="5M", LEASE="3")


@pytest.mark.parametrize(
    "files",
    [WINDOWS, ONE, generated(1, 12 * MIB) | generated(3000, 5) | generated(2, 7 * MIB)],
    ids=["windows", "one file of many parts", "mixed"],
)
def test_two_workers_make_one_tar(windowed: Site, files: dict[str, bytes]) -> None:
    windowed.start_worker()
    windowed.start_worker()
    windowed.system.service.create(ANYONE, "large", manifest(files))
    assert_ready(windowed, "large", files)
    assert gets(windowed) == len(files)
    until(lambda: not rows(windowed, Jobs.id))
    assert_volume_consistent(windowed)


def test_one_worker_with_one_slot_finishes_a_cart_of_many_windows(site_of: Callable[..., Site]) -> None:
    files = generated(14, 5 * MIB)
    site = site_of(PART_SIZE="5M", WINDOW_SIZE="5M", JOB_CONCURRENCY="1")
    site.start_worker()
    site.system.service.create(ANYONE, "large", manifest(files))
    assert_ready(site, "large", files)


def test_a_staged_file_that_vanished_is_staged_again(windowed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = list(WINDOWS)[2]
    once(monkeypatch, WindowUpload, "run", lambda: staged_path(windowed, victim).unlink(missing_ok=True))
    windowed.start_worker()
    windowed.system.service.create(ANYONE, "holed", manifest(WINDOWS))
    assert_ready(windowed, "holed", WINDOWS)
    assert_volume_consistent(windowed)


@pytest.mark.parametrize("damage", ["truncated", "grown", "rewritten", "a directory"])
def test_a_staged_file_that_was_changed_is_never_bundled(
    windowed: Site, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    files = generated(4, 3000)
    victim = list(files)[1]

    def change() -> None:
        path = staged_path(windowed, victim)
        if damage == "truncated":
            os.truncate(path, 1000)
        elif damage == "grown":
            path.write_bytes(files[victim] + b"more")
        elif damage == "rewritten":
            path.write_bytes(b"x" * len(files[victim]))
        else:
            path.unlink()
            path.mkdir()

    once(monkeypatch, WindowUpload, "run", change)
    windowed.start_worker()
    windowed.system.service.create(ANYONE, "changed", manifest(files))
    if damage == "a directory":
        until(lambda: staged_path(windowed, victim).is_dir())
        staged_path(windowed, victim).rmdir()
    assert_ready(windowed, "changed", files)
    assert_volume_consistent(windowed)


def test_bytes_changed_with_the_same_size_and_time_are_never_bundled(
    windowed: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a file of several parts. For smaller files the store rejects the checksum, but moto does not check it."""
    (victim,) = ONE

    def rot() -> None:
        before = staged_path(windowed, victim).stat()
        with staged_path(windowed, victim).open("r+b") as file:
            file.seek(5000)
            file.write(b"rotten")
        os.utime(staged_path(windowed, victim), ns=(before.st_atime_ns, before.st_mtime_ns))

    once(monkeypatch, WindowUpload, "run", rot)
    windowed.start_worker()
    windowed.system.service.create(ANYONE, "rotten", manifest(ONE))
    assert_ready(windowed, "rotten", ONE)
    assert gets(windowed, victim) == 2


@pytest.mark.parametrize("method", ["begin_upload", "upload", "parts", "complete", "find"])
def test_a_store_that_fails_once_is_retried(windowed: Site, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    def fail() -> None:
        raise StoreUnavailable

    once(monkeypatch, BundleStore, method, fail)
    windowed.start_worker()
    windowed.system.service.create(ANYONE, "retried", manifest(WINDOWS))
    assert_ready(windowed, "retried", WINDOWS)
    assert_volume_consistent(windowed)


@pytest.mark.parametrize("method", ["begin_upload", "upload", "complete"])
def test_a_lost_response_of_the_store_does_no_harm(
    windowed: Site, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def fail() -> None:
        raise StoreUnavailable

    once(monkeypatch, BundleStore, method, fail, after=True)
    windowed.start_worker()
    windowed.system.service.create(ANYONE, "retried", manifest(WINDOWS))
    assert_ready(windowed, "retried", WINDOWS)
    assert gets(windowed) == len(WINDOWS)


def test_an_upload_that_was_aborted_from_outside_starts_over(windowed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def abort() -> None:
        until(lambda: [state for (state,) in rows(windowed, StagedFiles.state)] == ["staged"] * len(WINDOWS))
        cart = windowed.system.service.find(ANYONE, "aborted")
        windowed.system.bundles.abort_upload(f"carts/{cart.id}/{cart.attempt}.tar", cart.upload_id)

    once(monkeypatch, BundleStore, "upload", abort)
    windowed.start_worker()
    windowed.system.service.create(ANYONE, "aborted", manifest(WINDOWS))
    assert_ready(windowed, "aborted", WINDOWS)
    assert gets(windowed) == len(WINDOWS)
    assert_volume_consistent(windowed)


def once(
    monkeypatch: pytest.MonkeyPatch, owner: type, method: str, act: Callable[[], None], after: bool = False
) -> None:
    """Call `act` before, or after, the first call of this method."""
    original = getattr(owner, method)
    acts = iter([act])

    def acting(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs) if after else None
        for act_once in acts:
            act_once()
        return result if after else original(self, *args, **kwargs)

    monkeypatch.setattr(owner, method, acting)
