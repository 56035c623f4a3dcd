"""What was received of a large file outlives the worker that pulled it, and is joined only with the same version."""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from chalicelib.errors import LayoutChanged, LeaseLost
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.job_row import JobKind, ReconcilePass
from tests.doubles.site import MemorySite, expired
from workers.files import partial_files, volume
from workers.files.file_spec import FileSpec
from workers.handlers.reconcile import ReconcileHandler
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Done
from workers.staging import pull_large
from workers.staging.landing import Landing
from workers.staging.pull_file import Failing, FilePuller, FileResult

BLOCK = 256 << 10
CONTENT = hashlib.shake_128(b"large").digest(4 * BLOCK + 5)
HALF = 2 * BLOCK

Half = tuple[Cart, Lease, FileSpec]


class Ending(Landing):
    """The worker loses its lease once so many bytes have landed."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._at = at

    def landed(self, archive_id: str, size: int) -> None:
        super().landed(archive_id, size)
        if size >= self._at:
            raise LeaseLost


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemorySite:
    monkeypatch.setattr(pull_large, "PARTIAL_FROM", BLOCK)
    monkeypatch.setattr(volume, "LOCAL_PATIENCE", 0.0)
    return MemorySite(tmp_path)


@pytest.fixture
def half(site: MemorySite) -> Half:
    """A cart of one file, half of which a worker has received that lost its lease; and the next worker's lease."""
    cart = site.lay_out("a", {"x": CONTENT})
    lease, work, _ = site.reserve(cart)
    with pytest.raises(LeaseLost):
        pull(site, lease, work.specs()["x"], Ending(HALF))
    assert len(partials(site)) == 1
    return cart, expired(lease, site), work.specs()["x"]


def test_the_next_worker_asks_for_the_rest_alone(site: MemorySite, half: Half) -> None:
    cart, lease, spec = half
    site.reserver.reserve(lease, site.work(cart))
    assert isinstance(pull(site, lease, spec), dict)
    assert site.archive.starts == [0, HALF]
    assert (site.volume.path("x").read_bytes(), partials(site)) == (CONTENT, [])


def test_a_failing_archive_costs_nothing_that_was_received(site: MemorySite, half: Half) -> None:
    _, lease, spec = half
    site.archive.files["x"].breaks_after = BLOCK
    assert isinstance(pull(site, lease, spec), Failing)
    assert isinstance(pull(site, lease, spec), dict)
    assert site.archive.starts == [0, HALF, HALF + BLOCK]


def test_a_file_that_changed_meanwhile_voids_the_layout_and_starts_over(site: MemorySite, half: Half) -> None:
    _, lease, spec = half
    site.archive.files["x"].mtime_ns += 1
    with pytest.raises(LayoutChanged):
        pull(site, lease, spec)
    assert (site.archive.starts, partials(site)) == ([0], [])


def test_parts_of_an_older_version_are_removed_and_never_joined(site: MemorySite, half: Half) -> None:
    _, lease, spec = half
    site.archive.files["x"].mtime_ns += 1
    assert isinstance(pull(site, lease, spec._replace(mtime_ns=spec.mtime_ns + 1)), dict)
    assert (site.archive.starts, partials(site)) == ([0, 0], [])


def test_a_file_without_a_hash_starts_over(site: MemorySite, half: Half) -> None:
    _, lease, spec = half
    assert isinstance(pull(site, lease, spec._replace(hashes=())), dict)
    assert site.archive.starts == [0, 0]


@pytest.mark.parametrize("at", [0, HALF - 1])
def test_wrong_bytes_that_were_left_are_found_and_the_file_is_pulled_from_its_start(
    site: MemorySite, half: Half, at: int
) -> None:
    _, lease, spec = half
    [left] = partials(site)
    with left.open("r+b") as file:
        os.pwrite(file.fileno(), bytes([CONTENT[at] ^ 0xFF]), at)
    assert isinstance(pull(site, lease, spec), dict)
    assert site.archive.starts == [0, HALF, 0]
    assert site.volume.path("x").read_bytes() == CONTENT


def test_a_part_that_is_longer_than_the_whole_is_not_continued(site: MemorySite, half: Half) -> None:
    _, lease, spec = half
    os.truncate(partials(site)[0], len(CONTENT) + 1)
    assert isinstance(pull(site, lease, spec), dict)
    assert site.archive.starts == [0, 0]


def test_a_worker_that_wakes_up_late_cannot_write_into_the_file(site: MemorySite, half: Half) -> None:
    _, lease, spec = half
    with site.volume.continuing(spec, lease.claim, lease.sleep) as (frozen, size):
        assert size == HALF
        later = expired(lease, site)
        assert isinstance(pull(site, later, spec), dict)
        os.pwrite(frozen, b"late", 0)
    with pytest.raises(FileNotFoundError):
        site.volume.keep_partial(spec, lease.claim)
    assert site.archive.starts == [0, 0]
    assert site.volume.path("x").read_bytes() == CONTENT


def test_the_next_worker_waits_for_one_that_is_ending(
    site: MemorySite, half: Half, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, lease, spec = half
    monkeypatch.setattr(volume, "LOCAL_PATIENCE", 10.0)
    ending = ExitStack()
    ending.enter_context(site.volume.continuing(spec, lease.claim, lease.sleep))
    site.stopping.meanwhile = ending.close
    assert isinstance(pull(site, expired(lease, site), spec), dict)
    assert site.archive.starts == [0, HALF]
    assert site.volume.path("x").read_bytes() == CONTENT


def test_without_locks_nothing_is_continued(site: MemorySite, half: Half, monkeypatch: pytest.MonkeyPatch) -> None:
    _, lease, spec = half

    def no_locks(*_: object) -> None:
        raise OSError(partial_files.NO_LOCKS[0], "no locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert isinstance(pull(site, lease, spec), dict)
    assert (site.archive.starts, partials(site)) == ([0, 0], [])


def test_a_file_written_out_of_order_is_continued_before_its_first_gap(
    site: MemorySite, half: Half, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, lease, spec = half
    monkeypatch.setattr(partial_files, "RANGED_FROM", len(CONTENT))
    monkeypatch.setattr(partial_files, "AHEAD", BLOCK)
    with partials(site)[0].open("r+b") as file:
        os.pwrite(file.fileno(), bytes(BLOCK), BLOCK)
    assert isinstance(pull(site, lease, spec), dict)
    assert site.archive.starts == [0, BLOCK]
    assert site.volume.path("x").read_bytes() == CONTENT


def test_what_is_left_stays_while_a_window_needs_it_and_goes_when_none_does(site: MemorySite, half: Half) -> None:
    cart, lease, _ = half
    site.database.advance(1_000)
    reconcile(site)
    assert len(partials(site)) == 1
    site.database.transaction(lambda: site.releaser.release_cart(lease, site.cart(cart.id)))
    reconcile(site)
    assert partials(site) == []


def pull(site: MemorySite, lease: Lease, spec: FileSpec, landing: Landing | None = None) -> FileResult:
    return FilePuller(site.archive_client, site.volume, lease, landing).pull(spec)[1]


def reconcile(site: MemorySite) -> None:
    w = site.world
    job = w.claimed(0, JobKind.RECONCILE, ReconcilePass.WHOLE)
    handler = ReconcileHandler(
        w.jobs, w.account, w.staged_files, w.recalls, w.evicted_files, site.volume, site.releaser
    )
    assert handler.run(Lease(job, "receipt", site.stopping)) == Done()


def partials(site: MemorySite) -> list[Path]:
    """What lies in the volume's directory of temporary files."""
    return sorted(site.volume.path("x").parents[2].joinpath("tmp").iterdir())
