"""A very large file is received as several ranges at once, out of order, and what of it is in order is known."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from chalicelib.errors import ArchiveRefused
from infra.local.archive_simulator import running_simulator
from infra.local.archive_simulator_files import find
from tests.doubles.site import MemorySite, expired
from workers.archive.client import ArchiveClient
from workers.files import partial_files
from workers.files.file_spec import FileSpec
from workers.runtime.lease import Lease
from workers.staging import pull_large, receive_ranges
from workers.staging.pull_file import Failing, FilePuller, FileResult
from workers.staging.receive import RESUMES
from workers.staging.receive_ranges import AT_ONCE

BLOCK = 64 << 10
RANGE = 3 * BLOCK
CONTENT = hashlib.shake_128(b"very large").digest(10 * RANGE + 50)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemorySite:
    monkeypatch.setattr(pull_large, "PARTIAL_FROM", BLOCK)
    for module in (pull_large, partial_files):
        monkeypatch.setattr(module, "RANGED_FROM", BLOCK)
    monkeypatch.setattr(partial_files, "AHEAD", AT_ONCE * RANGE)
    monkeypatch.setattr(receive_ranges, "RANGE", RANGE)
    return MemorySite(tmp_path)


@pytest.fixture
def reserved(site: MemorySite) -> tuple[Lease, FileSpec]:
    lease, work, _ = site.reserve(site.lay_out("a", {"x": CONTENT}))
    return lease, work.specs()["x"]


Reserved = tuple[Lease, FileSpec]


def test_ranges_that_come_out_of_order_make_the_file(site: MemorySite, reserved: Reserved) -> None:
    assert isinstance(pull(site, *reserved), dict)
    assert site.volume.path("x").read_bytes() == CONTENT
    assert sorted(site.archive.starts) == list(range(0, len(CONTENT), RANGE))
    assert site.archive.starts != sorted(site.archive.starts)


def test_a_range_that_breaks_off_is_asked_for_from_there(site: MemorySite, reserved: Reserved) -> None:
    site.archive.files["x"].breaks_after = BLOCK + 3
    assert isinstance(pull(site, *reserved), dict)
    assert site.volume.path("x").read_bytes() == CONTENT
    first = site.archive.starts[0]
    assert first + BLOCK + 3 in site.archive.starts


def test_an_archive_that_always_breaks_off_fails_and_what_is_in_order_stays(
    site: MemorySite, reserved: Reserved
) -> None:
    lease, spec = reserved

    def break_off(archive_id: str) -> None:
        if len(site.archive.starts) > 8:
            site.archive.files[archive_id].breaks_after = 1

    site.archive.on_request = break_off
    assert isinstance(pull(site, lease, spec), Failing)
    assert len(site.archive.starts) == 8 + RESUMES + 1
    site.archive.on_request = lambda archive_id: None
    site.archive.starts.clear()
    assert isinstance(pull(site, expired(lease, site), spec), dict)
    assert site.volume.path("x").read_bytes() == CONTENT
    assert min(site.archive.starts) > 0, "not from its start"


def test_an_archive_that_serves_no_ranges_is_asked_for_the_whole(
    site: MemorySite, reserved: Reserved, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = site.archive.read

    def whole(*given: object, start: int = 0, stop: int | None = None, **more: object) -> None:
        read(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(site.archive, "read", whole)
    assert isinstance(pull(site, *reserved), dict)
    assert site.volume.path("x").read_bytes() == CONTENT


def test_an_archive_that_refuses_ranges_is_asked_for_the_whole(
    site: MemorySite, reserved: Reserved, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_ranges(site, monkeypatch)
    assert isinstance(pull(site, *reserved), dict)
    assert site.volume.path("x").read_bytes() == CONTENT


def test_what_is_left_does_not_end_a_cart_where_ranges_are_refused(
    site: MemorySite, reserved: Reserved, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease, spec = reserved
    for module in (pull_large, partial_files):
        monkeypatch.setattr(module, "RANGED_FROM", len(CONTENT) + 1)
    site.archive.files["x"].breaks_after = 2 * RANGE
    assert isinstance(pull(site, lease, spec), Failing)
    refuse_ranges(site, monkeypatch)
    assert isinstance(pull(site, expired(lease, site), spec), dict)
    assert site.volume.path("x").read_bytes() == CONTENT


def refuse_ranges(site: MemorySite, monkeypatch: pytest.MonkeyPatch) -> None:
    read = site.archive.read

    def refusing(*given: Any, stop: int | None = None, **more: Any) -> None:
        if stop is not None:
            raise ArchiveRefused("archive answered 404")
        read(*given, **more)

    monkeypatch.setattr(site.archive, "read", refusing)


def test_ranges_come_over_several_connections_at_once(site: MemorySite) -> None:
    name = f"gen-{len(CONTENT)}-ranges"
    file = find(None, name)
    assert file is not None
    content = b"".join(file.chunks(0, file.size))
    lease, work, _ = site.reserve(site.lay_out("a", {name: content}))
    with running_simulator(latency_ms=20) as archive:
        client = ArchiveClient(archive.url, concurrency=16, connect_timeout=5, read_timeout=5)
        result = FilePuller(client, site.volume, lease).pull(work.specs()[name])[1]
        client.close()
        assert isinstance(result, dict)
        assert archive.stats()["peak"] == AT_ONCE
    assert site.volume.path(name).read_bytes() == content


def pull(site: MemorySite, lease: Lease, spec: FileSpec) -> FileResult:
    return FilePuller(site.archive_client, site.volume, lease).pull(spec)[1]
