"""Bytes are counted as they land, in the volume and in the store; what was counted never goes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import pytest

from chalicelib.errors import ArchiveUnavailable, LeaseLost
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.job_row import Job, JobKind
from tests.doubles.archive import MemoryArchive
from tests.doubles.bundle_store import MemoryBundleStore
from tests.doubles.site import MemorySite, expired
from workers.bundling.upload import UploadPools
from workers.runtime.outcomes import Done
from workers.staging import staging_run
from workers.staging.pull_batch import BatchPuller, PullPools

MIB = 1 << 20
LARGE = {"large": b"L" * (4 * MIB), "small": b"s"}


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


@pytest.fixture
def site(tmp_path: Path, pool: ThreadPoolExecutor) -> MemorySite:
    """A site whose transfers run on threads, so that its jobs count meanwhile."""
    bundles = MemoryBundleStore(min_part=1)
    site = MemorySite(tmp_path, bundles=bundles, upload_pools=UploadPools(pool, pool))
    site.puller = BatchPuller(site.archive_client, site.volume, PullPools(pool, pool), 4)
    return site


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for another thread; the job there looks at the clock at least once a second."""
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def counting_pulls(site: MemorySite, cart: Cart, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Makes each pull of a large file wait, after each MiB, until that is counted; the counts."""
    counted: list[int] = []
    read = MemoryArchive.read

    def slow(self: MemoryArchive, archive_id: str, take: Callable[[memoryview], None], *rest: Any, **more: Any) -> None:
        taken = 0

        def taking(block: memoryview) -> None:
            nonlocal taken
            take(block)
            taken += len(block)
            if taken % MIB == 0 and taken < len(self.files[archive_id].content):
                before = site.cart(cart.id).bytes_staged
                site.database.advance(3.5)
                wait_until(lambda: site.cart(cart.id).bytes_staged > min(before, taken - 1))
                counted.append(site.cart(cart.id).bytes_staged)

        read(self, archive_id, taking, *rest, **more)

    monkeypatch.setattr(MemoryArchive, "read", slow)
    return counted


def test_bytes_of_a_large_file_are_counted_as_they_land(site: MemorySite, monkeypatch: pytest.MonkeyPatch) -> None:
    cart = site.lay_out("a", LARGE)
    counted = counting_pulls(site, cart, monkeypatch)
    site.stage(cart)
    assert counted == [MIB + 1, 2 * MIB + 1, 3 * MIB + 1]
    found = site.cart(cart.id)
    assert (found.files_staged, found.bytes_staged) == (2, 4 * MIB + 1)
    assert site.work(cart).window.counted() == (2, 4 * MIB + 1, 0)
    assert found.counted_at is not None


def test_bytes_that_are_pulled_again_are_counted_once(site: MemorySite, monkeypatch: pytest.MonkeyPatch) -> None:
    cart = site.lay_out("a", LARGE)
    counted = counting_pulls(site, cart, monkeypatch)
    site.archive.files["large"].breaks_after = 2 * MIB + 100
    site.stage(cart)
    assert counted[:2] == [MIB + 1, 2 * MIB + 1]
    assert counted == sorted(counted), "never backwards"
    assert site.cart(cart.id).bytes_staged == 4 * MIB + 1


def test_after_a_crash_in_mid_file_the_count_goes_on_where_it_was(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    cart = site.lay_out("a", LARGE)
    counted = counting_pulls(site, cart, monkeypatch)
    lease, work, actions = site.reserve(cart)
    record = site.stager._recorder._write

    def dying(*given: Any, **more: Any) -> None:
        record(*given, **more)
        if len(counted) == 1:
            monkeypatch.setattr(site.stager._recorder, "_write", record)
            raise ZeroDivisionError

    monkeypatch.setattr(site.stager._recorder, "_write", dying)
    with pytest.raises(ZeroDivisionError):
        site.stager.stage(lease, work, actions)
    before = site.cart(cart.id).bytes_staged
    assert 2 * MIB < before < 4 * MIB
    del counted[:]
    assert site.window_handler.run(expired(lease, site)) == Done()
    assert min(counted) >= before
    found = site.cart(cart.id)
    assert (found.bytes_staged, found.bundle_bytes) == (found.bytes_total, found.bundle_size)


def test_bytes_that_land_do_not_count_as_progress_of_the_job(site: MemorySite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a file whose pull kills its worker would do so for ever."""
    cart = site.lay_out("a", {"large": LARGE["large"]})
    counting_pulls(site, cart, monkeypatch)
    lease, work, actions = site.reserve(cart)
    progressed, original = [], site.world.jobs.progressed

    def counting(job: Job, write: Callable[[], object]) -> object:
        progressed.append(job)
        return original(job, write)

    monkeypatch.setattr(site.world.jobs, "progressed", counting)
    assert site.stager.stage(lease, work, actions) is None
    assert len(progressed) == 1, "the file itself"


def test_each_step_of_a_large_file_is_progress_once_since_what_landed_stays(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging_run, "PARTIAL_FROM", 2 * MIB)
    cart = site.lay_out("a", {"large": LARGE["large"]})
    counting_pulls(site, cart, monkeypatch)
    lease, work, actions = site.reserve(cart)
    progressed, original = [], site.world.jobs.progressed

    def counting(job: Job, write: Callable[[], object]) -> object:
        progressed.append(job)
        return original(job, write)

    monkeypatch.setattr(site.world.jobs, "progressed", counting)
    assert site.stager.stage(lease, work, actions) is None
    assert len(progressed) == 2, "its half, and the file itself"


class SlowStore(MemoryBundleStore):
    """Waits, after each MiB of a body, until `wait` returns."""

    def __init__(self, wait: Callable[[int, int], None]) -> None:
        super().__init__(min_part=1)
        self.wait = wait

    def put(self, key: str, body: IO[bytes], size: int, checksum: str) -> str:
        self._read(1, body, size)
        return super().put(key, body, size, checksum)

    def upload(self, key: str, upload_id: str, number: int, body: IO[bytes], size: int, checksum: str) -> None:
        self._read(number, body, size)
        super().upload(key, upload_id, number, body, size, checksum)

    def _read(self, number: int, body: IO[bytes], size: int) -> None:
        sent = 0
        while sent < size - MIB:
            sent += len(body.read(MIB))
            self.wait(number, sent)
        body.seek(0)


def slow_store(site: MemorySite, cart: Callable[[], Cart]) -> list[int]:
    """Makes the store wait until what it has taken is counted; the counts."""
    counted: list[int] = []

    def wait(number: int, sent: int) -> None:
        before = cart().bundle_bytes
        site.database.advance(3.5)
        wait_until(lambda: cart().bundle_bytes > before)
        counted.append(cart().bundle_bytes)

    site.bundles = SlowStore(wait)
    return counted


def test_a_bundle_that_is_put_whole_is_counted_while_it_is_sent(site: MemorySite) -> None:
    cart = site.post("a", {"large": b"L" * (4 * MIB)})
    counted = slow_store(site, lambda: site.cart(cart.id))
    site.recall_handler.run(lease := site.lease(cart, JobKind.RECALL))
    assert site.window_handler.run(lease) == Done()
    assert counted == [MIB, 2 * MIB, 3 * MIB, 4 * MIB]
    assert site.cart(cart.id).bundle_bytes == site.cart(cart.id).bundle_size


def test_parts_are_counted_as_they_are_stored_and_once_after_a_crash(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    cart = site.lay_out("a", {"large": b"L" * (18 * MIB)}, {"b": b"b"})
    counts: list[int] = []
    lease, work = site.stage(cart)
    upload = MemoryBundleStore.upload

    def counting(self: MemoryBundleStore, key: str, upload_id: str, number: int, *rest: Any) -> None:
        upload(self, key, upload_id, number, *rest)
        site.database.advance(3.5)
        counts.append(site.cart(cart.id).bundle_bytes)
        if number == 2 and len(counts) < 9:
            wait_until(lambda: site.cart(cart.id).bundle_bytes > 0)
            raise ZeroDivisionError

    monkeypatch.setattr(MemoryBundleStore, "upload", counting)
    with pytest.raises(ZeroDivisionError):
        site.uploader.upload(lease, work)
    before = site.cart(cart.id).bundle_bytes
    assert 0 < before <= work.window.length
    assert site.work(cart).window.uploaded_bytes == before
    monkeypatch.setattr(MemoryBundleStore, "upload", upload)
    assert site.window_handler.run(expired(lease, site)) == Done()
    assert site.cart(cart.id).bundle_bytes == work.window.length
    site.window_handler.run(site.lease(cart, JobKind.WINDOW, 1))
    assert site.cart(cart.id).bundle_bytes == site.cart(cart.id).bundle_size


def test_a_worker_that_lost_its_lease_counts_nothing(site: MemorySite) -> None:
    cart = site.post("a", {"large": b"L" * (4 * MIB)})
    site.recall_handler.run(lease := site.lease(cart, JobKind.RECALL))
    work = site.work(cart)
    actions = site.reserver.reserve(lease, work)
    site.stager.stage(lease, work, actions)  # type: ignore[arg-type]
    expired(lease, site)
    progress = site.uploader._recorder.begin(lease, work)
    progress.sent(1, MIB)
    site.database.advance(3.5)
    with pytest.raises(LeaseLost):
        progress.tick()
    assert site.cart(cart.id).bundle_bytes == 0


def test_the_reason_of_a_failing_file_is_recorded_before_it_is_tried_again(site: MemorySite) -> None:
    cart = site.lay_out("a", {"x": b"x", "y": b"y"})
    site.archive.files["y"].error = ArchiveUnavailable("archive answered 500")
    reasons: list[str] = []

    def look() -> None:
        reasons.extend(entry.failing_reason for entry in site.world.entries.page(cart.id, 0, 2))
        site.archive.files["y"].error = None

    site.stopping.meanwhile = look
    site.stage(cart)
    assert reasons == ["", "archive answered 500"]


def test_the_reason_is_recorded_while_other_files_are_pulled(site: MemorySite) -> None:
    files = {f"f{number}": b"x" for number in range(9)}
    cart = site.lay_out("a", files)
    site.archive.files["f0"].error = ArchiveUnavailable("archive answered 500")
    seen: list[str] = []

    def request(archive_id: str) -> None:
        site.database.advance(1.0)
        seen.append(site.world.entries.page(cart.id, 0, 1)[0].failing_reason)

    lease, work, actions = site.reserve(cart)
    site.archive.on_request = request
    site.stager.stage(lease, work, actions)
    assert seen[0] == ""
    assert "archive answered 500" in seen[:9], "before the pull of the last file"
