"""Carts with `sums`, extracted and checked as their clients do it."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from chalicelib.db.models import Carts, Jobs
from tests.callers import ANYONE
from tests.chaos import reference
from tests.chaos.reference import File
from tests.integration.conftest import Site
from tests.integration.test_worker_windows import once
from tests.integration.worker_site import MIB, assert_volume_consistent, generated, gets, manifest, rows, until
from workers.handlers.upload_window import WindowUpload
from workers.staging.reserve import Reserver

MIXED = generated(1, 12 * MIB) | generated(1200, 5) | generated(2, 7 * MIB) | generated(1, 0) | generated(1, MIB)


@pytest.fixture
def windowed(site_of: Callable[..., Site]) -> Site:
    return site_of(PART_SIZE="5M", WINDOW_SIZE="5M", LEASE="3")


def post(site: Site, uid: str, body: bytes) -> None:
    """Post a cart, and make it one with `sums` before a worker takes it."""
    site.system.service.create(ANYONE, uid, body)
    with site.system.database.session() as db:
        Carts.update(sums="sha256").where(Carts.uid == uid).execute(db)


def assert_checked(site: Site, uid: str, files: Mapping[str, bytes], folder: Path) -> None:
    cart = site.wait(uid, 60)
    assert (cart.state, cart.message) == ("ready", "")
    with tarfile.open(fileobj=io.BytesIO(site.bundle(uid))) as tar:
        last = tar.getmembers()[-1]
        assert (last.name, last.mtime) == (f"{uid}/SHA256SUMS", 0)
        tar.extractall(folder, filter="data")
    lines = [f"{hashlib.sha256(data).hexdigest()}  d/{name}\n" for name, data in files.items()]
    assert (folder / uid / "SHA256SUMS").read_text() == "".join(lines)
    if shutil.which("sha256sum"):
        command = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
        subprocess.run(command, cwd=folder / uid, check=True)


@pytest.mark.parametrize(
    "files",
    [MIXED, generated(3, 6 * MIB), generated(1, 23 * MIB), generated(2, 300), generated(1, 0)],
    ids=["mixed", "windows", "one file of many parts", "one window", "an empty file"],
)
def test_the_checksums_of_a_bundle_can_be_checked(windowed: Site, files: dict[str, bytes], tmp_path: Path) -> None:
    post(windowed, "summed", manifest(files))
    windowed.start_worker()
    windowed.start_worker()
    assert_checked(windowed, "summed", files, tmp_path / "out")
    expected = reference.bundle("summed", [File(name, f"d/{name}") for name in files], "sha256")
    assert windowed.bundle("summed") == expected
    until(lambda: not rows(windowed, Jobs.id))
    assert_volume_consistent(windowed)


@pytest.mark.parametrize("count", [3, 1])
def test_files_cached_with_another_hash_are_not_pulled_again(windowed: Site, count: int, tmp_path: Path) -> None:
    files = generated(count, 6 * MIB)
    windowed.start_worker()
    windowed.system.service.create(ANYONE, "first", manifest(files, "md5"))
    windowed.wait("first")
    windowed.stop()
    post(windowed, "summed", manifest(files, "md5"))
    windowed.start_worker()
    assert_checked(windowed, "summed", files, tmp_path / "out")
    assert gets(windowed) == count


def test_a_volume_smaller_than_the_bundle_holds_a_summed_cart(small: Site, tmp_path: Path) -> None:
    files = generated(6, 6 * MIB)
    post(small, "summed", manifest(files))
    small.start_worker()
    assert_checked(small, "summed", files, tmp_path / "out")


@pytest.mark.parametrize("run", [1, 2, 4])
def test_a_worker_that_dies_with_any_window_costs_nothing(
    windowed: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: int
) -> None:
    """The worker fails in its `run`th upload; the fourth is that of the generated window."""
    files = generated(3, 6 * MIB)
    post(windowed, "summed", manifest(files))
    calls = iter(range(1, 100))

    def fail() -> None:
        raise RuntimeError("killed")

    original = WindowUpload._upload_parts

    def dying(self: WindowUpload, lease: object, work: object) -> object:
        outcome = original(self, lease, work)  # type: ignore[arg-type]
        if next(calls) == run:
            fail()
        return outcome

    monkeypatch.setattr(WindowUpload, "_upload_parts", dying)
    windowed.start_worker()
    assert_checked(windowed, "summed", files, tmp_path / "out")


def test_a_file_that_changes_in_the_archive_is_listed_as_it_is_bundled(
    windowed: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before, after = {"a": b"A" * (6 * MIB), "b": b"B" * 100}, {"a": b"C" * (7 * MIB), "b": b"B" * 100}
    for name, data in before.items():
        windowed.put(name, data)
    post(windowed, "summed", json.dumps({"fileids": [{"id": name, "path": f"d/{name}"} for name in before]}).encode())

    def change() -> None:
        for name, data in after.items():
            windowed.put(name, data)

    once(monkeypatch, Reserver, "reserve", change)
    windowed.start_worker()
    assert_checked(windowed, "summed", after, tmp_path / "out")
    assert windowed.system.service.find(ANYONE, "summed").attempt == 2
