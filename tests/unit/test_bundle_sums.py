"""Carts with `sums`: the last member of their bundle lists the SHA-256 of every file, whatever fails in between."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.db.states import WaitsFor, WindowState
from chalicelib.errors import PermanentError
from chalicelib.stores.cart_row import Cart, CartState
from chalicelib.stores.job_row import JobKind
from tests.doubles.archive import MTIME_NS
from tests.doubles.site import MemorySite, expired
from tests.doubles.worker_parts import MIB, PART_SIZE
from workers.bundling.part_limits import PartSizes
from workers.files.file_spec import FileSpec
from workers.files.hashes import Hashing
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Continue, Defer, Done
from workers.staging.file_actions import FileActions

SMALL = {"x": b"hello", "empty": b"", "y": b"world!"}
#: Three windows, and the generated one.
LARGE = {name: name.encode() * (6 * MIB) for name in "abc"}


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    return MemorySite(tmp_path, sizes=PartSizes(PART_SIZE, 5 * MIB, 1000))


def post(site: MemorySite, files: Mapping[str, bytes], uid: str = "uid", sums: str = "sha256") -> Cart:
    cart = site.post(uid, files)
    site.database.tables.carts[cart.id] = replace(cart, sums=sums)
    return site.cart(cart.id)


def plan(site: MemorySite, cart: Cart) -> Lease:
    """Lay the cart out; the lease of the job that continues with its first window."""
    lease = site.lease(cart, JobKind.RECALL)
    assert isinstance(site.recall_handler.run(lease), Continue)
    return replace(lease, job=replace(lease.job, kind=JobKind.WINDOW))


def run_all(site: MemorySite) -> None:
    """Run jobs until none is left, each in a claim of its own."""
    for _ in range(50):
        if not site.database.tables.jobs:
            return
        site.database.advance(100)
        first = min(site.database.tables.jobs)
        job = site.world.jobs.claim(first, site.database.tables.jobs[first].token)
        assert job is not None
        handler = site.recall_handler if job.kind == JobKind.RECALL else site.window_handler
        lease = Lease(job, "receipt", site.stopping)
        outcome = handler.run(lease)
        if isinstance(outcome, Defer):
            site.world.jobs.defer(job, outcome.delay)
    raise AssertionError("jobs are left")


def sums_of(files: Mapping[str, bytes]) -> bytes:
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items()).encode()


def assert_summed(site: MemorySite, cart: Cart, files: Mapping[str, bytes]) -> None:
    found = site.cart(cart.id)
    assert (found.state, found.message) == (CartState.READY, "")
    members = site.bundle_members(cart)
    assert list(members)[-1] == f"{found.root}/SHA256SUMS"
    assert members.pop(f"{found.root}/SHA256SUMS") == sums_of(files)
    assert members == {f"{found.root}/{name}": data for name, data in files.items()}
    assert found.files_staged == found.files_total == len(files)
    assert found.bundle_bytes == found.bundle_size
    assert site.bundles.uploads == {}


@pytest.mark.parametrize("files", [SMALL, {"empty": b""}, {"one": b"1" * (3 * MIB)}], ids=["small", "empty", "one"])
def test_a_cart_of_one_window_is_put_whole(site: MemorySite, files: dict[str, bytes]) -> None:
    cart = post(site, files)
    lease = plan(site, cart)
    assert site.cart(cart.id).windows_total == 1
    assert site.window_handler.run(lease) == Done()
    assert_summed(site, cart, files)


def test_a_cart_of_many_windows_has_a_last_one_made_after_all_others(site: MemorySite) -> None:
    cart = post(site, LARGE)
    lease = plan(site, cart)
    last = site.world.windows.get(cart.id, 3)
    assert last is not None
    assert (last.files, last.state) == (0, WindowState.HELD)
    jobs = [job.id for job in site.database.tables.jobs.values() if job.window in (1, 2)]
    for job_id in jobs:
        job = site.world.jobs.claim(job_id, 0)
        assert job is not None
        assert site.window_handler.run(Lease(job, "receipt", site.stopping)) == Done()
        assert site.state_of(cart, 3) == WindowState.HELD
    assert site.window_handler.run(lease) == Done()
    assert site.state_of(cart, 3) == WindowState.STAGED
    assert site.cart(cart.id).state == CartState.BUNDLING, "all files are staged"
    run_all(site)
    assert_summed(site, cart, LARGE)
    assert site.used()[0] == sum(map(len, LARGE.values())), "the checksum file takes no space"


def test_the_same_files_give_the_same_bundle(site: MemorySite) -> None:
    bundles = []
    for _ in range(2):
        cart = post(site, LARGE, uid="same")
        plan(site, cart)
        run_all(site)
        bundles.append(site.bundles.objects[f"carts/{cart.id}/1.tar"])
        site.database.tables.carts[cart.id] = replace(site.cart(cart.id), live=None)
    assert bundles[0] == bundles[1]


def test_files_may_be_evicted_before_the_last_window(tmp_path: Path) -> None:
    site = MemorySite(tmp_path, limit=13 * MIB, sizes=PartSizes(PART_SIZE, 5 * MIB, 1000))
    cart = post(site, LARGE)
    plan(site, cart)
    run_all(site)
    assert len(site.on_volume()) < len(LARGE)
    assert_summed(site, cart, LARGE)


def test_a_cached_file_without_the_checksum_is_hashed_again_and_not_pulled(site: MemorySite) -> None:
    other = site.post("other", SMALL)
    site.recall_handler.run(site.lease(other, JobKind.RECALL))
    run_all(site)
    site.archive.asked.clear()
    cart = post(site, SMALL)
    assert site.window_handler.run(plan(site, cart)) == Done()
    assert site.archive.asked == []
    assert_summed(site, cart, SMALL)
    for file in site.world.staged_files.find(SMALL).values():
        assert {"sha1", "sha256"} <= file.hashes.keys()


@pytest.mark.parametrize("files", [SMALL, LARGE], ids=["one window", "many"])
def test_a_checksum_lost_after_staging_is_computed_again(site: MemorySite, files: dict[str, bytes]) -> None:
    cart = post(site, files)
    lease = plan(site, cart)
    work = site.work(cart)
    actions = site.reserver.reserve(lease, work)
    assert isinstance(actions, FileActions)
    assert site.stager.stage(lease, work, actions) is None
    (name, data) = next(iter(files.items()))
    hashing = Hashing(FileSpec(name, len(data), MTIME_NS, (("sha1", ""),)))
    hashing.update(data)
    row = site.database.tables.staged_files[name]
    site.database.tables.staged_files[name] = replace(row, file=replace(row.file, hashes=hashing.hashes()))
    outcome = site.window_handler.run(expired(lease, site))
    assert outcome == Defer(0, WaitsFor.RETRY, "files of the window have to be hashed again")
    run_all(site)
    assert_summed(site, cart, files)
    assert site.archive.count("GET") == len(files)


def test_a_lost_upload_is_laid_out_again(site: MemorySite) -> None:
    cart = post(site, LARGE)
    plan(site, cart)
    site.bundles.uploads.clear()
    run_all(site)
    assert site.cart(cart.id).attempt == 2
    assert_summed(site, cart, LARGE)


def test_a_window_closed_without_checksums_voids_the_layout(site: MemorySite) -> None:
    """As a worker of the previous release leaves it."""
    cart = post(site, LARGE)
    lease = plan(site, cart)
    assert site.window_handler.run(lease) == Done()
    row = site.database.tables.windows[cart.id, 0]
    site.database.tables.windows[cart.id, 0] = replace(row, sums=None, sums_length=0)
    run_all(site)
    assert site.cart(cart.id).attempt == 2
    assert_summed(site, cart, LARGE)


def test_a_cart_without_sums_has_its_files_alone(site: MemorySite) -> None:
    cart = post(site, LARGE, sums="")
    plan(site, cart)
    run_all(site)
    assert site.bundle_members(cart) == {f"uid/{name}": data for name, data in LARGE.items()}


def test_a_bundle_over_the_limit_is_refused_before_a_byte_is_pulled(site: MemorySite) -> None:
    site.max_bundle = 20_000
    cart = post(site, {"large": b"x" * 20_000})
    with pytest.raises(PermanentError, match=r"would have 30.7 KB \(30720 bytes\); MAX_BUNDLE allows 20.0 KB"):
        site.recall_handler.run(site.lease(cart, JobKind.RECALL))
    assert site.archive.count("GET") == 0
    assert site.bundles.uploads == {}
