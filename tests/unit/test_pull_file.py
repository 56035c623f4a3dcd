"""Pulling one large file whose transfer breaks off: what is resumed, and what is read again from its start."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.doubles.site import MemorySite
from workers.files.file_spec import FileSpec
from workers.staging import receive
from workers.staging.pull_file import Failing, FilePuller, FileResult
from workers.staging.receive import RESUMES

CONTENT = hashlib.shake_128(b"large").digest(10_000)
ENOUGH = 1000  # bytes of a transfer that is worth resuming


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemorySite:
    monkeypatch.setattr(receive, "RESUMED_FROM", ENOUGH)
    return MemorySite(tmp_path)


def test_a_transfer_that_breaks_off_late_is_resumed_where_it_broke_off(site: MemorySite) -> None:
    assert isinstance(pull(site, breaks_after=ENOUGH), dict)
    assert site.volume.path("x").read_bytes() == CONTENT
    assert gets(site) == 2


def test_a_transfer_that_breaks_off_early_is_not_resumed(site: MemorySite) -> None:
    assert pull(site, breaks_after=ENOUGH - 1) == Failing("the connection to the archive broke")
    assert (gets(site), site.on_volume()) == (1, set())


def test_a_file_without_a_hash_is_never_resumed(site: MemorySite) -> None:
    assert pull(site, breaks_after=len(CONTENT) - 1, hashed=False) == Failing("the connection to the archive broke")
    assert gets(site) == 1


def test_a_whole_file_is_kept_if_its_hash_is_right_though_the_connection_broke(site: MemorySite) -> None:
    assert isinstance(pull(site, breaks_after=len(CONTENT)), dict)
    assert gets(site) == 1


def test_a_whole_file_without_a_hash_is_pulled_again_if_the_connection_broke(site: MemorySite) -> None:
    assert isinstance(pull(site, breaks_after=len(CONTENT), hashed=False), Failing)


def test_a_transfer_is_resumed_only_so_often(site: MemorySite) -> None:
    def break_again(archive_id: str) -> None:
        site.archive.files[archive_id].breaks_after = ENOUGH

    site.archive.on_request = break_again
    assert pull(site) == Failing("the connection to the archive broke")
    assert gets(site) == RESUMES + 1


def pull(site: MemorySite, breaks_after: int | None = None, hashed: bool = True) -> FileResult:
    """The result of pulling CONTENT, of which one transfer ends after `breaks_after` bytes."""
    cart = site.lay_out("a", {"x": CONTENT})
    lease, work, _ = site.reserve(cart)
    site.archive.files["x"].breaks_after = breaks_after
    spec: FileSpec = work.specs()["x"]
    if not hashed:
        spec = spec._replace(hashes=())
    return FilePuller(site.archive_client, site.volume, lease).pull(spec)[1]


def gets(site: MemorySite) -> int:
    return site.archive.asked.count(("GET", "x"))
