"""Helpers of the worker tests: archive files, manifests, and checks of the volume, the bundle store and the jobs."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import time
from collections.abc import Callable, Container, Iterable, Mapping
from pathlib import Path
from typing import Any

import boto3

from chalicelib.db.models import Carts, Jobs
from chalicelib.db.volume_models import StagedFiles, Volume
from chalicelib.job_message import JobMessage
from chalicelib.stores.job_row import NO_CART
from infra.local.archive_simulator_files import find
from tests.callers import ANYONE
from tests.integration.conftest import Site
from workers.files.names import name_of
from workers.files.volume import allocated_bytes

MIB = 1 << 20
MTIME_NS = 1_500_000_000_000_000_000


def generated(count: int, size: int, seed: str = "") -> dict[str, bytes]:
    """Synthetic files of the archive simulator: id -> content."""
    ids = [f"gen-{size}-{seed}{number}" for number in range(count)]
    return {archive_id: content(archive_id) for archive_id in ids}


def content(archive_id: str) -> bytes:
    file = find(None, archive_id)
    assert file is not None
    return b"".join(file.chunks(0, file.size))


def put_files(site: Site, count: int, size: int) -> dict[str, bytes]:
    """Put `count` files of `size` bytes, a multiple of 32, into the archive's folder; returns id -> content."""
    files = {f"f{number}": hashlib.sha256(str(number).encode()).digest() * (size // 32) for number in range(count)}
    for name, data in files.items():
        site.put(name, data)
    return files


def manifest(files: Mapping[str, bytes], hash_name: str = "sha1", wrong: Container[str] = ()) -> bytes:
    """A manifest of the files, each at `d/<id>`. Files in `wrong` get the hash of other content."""
    if not hash_name:
        return manifest_without_hashes(files)
    entries = []
    for name, data in files.items():
        digest = hashlib.new(hash_name, b"other" + data if name in wrong else data).hexdigest()
        entries.append({"id": name, "path": f"d/{name}", "hashtype": hash_name, "hashsum": digest})
    return json.dumps({"fileids": entries}).encode()


def manifest_without_hashes(archive_ids: Iterable[str]) -> bytes:
    return json.dumps({"fileids": [{"id": name, "path": f"d/{name}"} for name in archive_ids]}).encode()


def members(bundle: bytes) -> dict[str, bytes]:
    """The files in a tar: path -> content."""
    with tarfile.open(fileobj=io.BytesIO(bundle)) as tar:
        return {item.name: tar.extractfile(item).read() for item in tar if item.isfile()}  # type: ignore[union-attr]


def assert_ready(site: Site, uid: str, files: Mapping[str, bytes], within: float = 30) -> None:
    """The cart becomes ready within this many seconds, and its bundle has exactly these files."""
    cart = site.wait(uid, within)
    assert (cart.state, cart.message) == ("ready", ""), f"{cart.state}: {cart.message}"
    assert members(site.bundle(uid)) == {f"{uid}/d/{name}": data for name, data in files.items()}


def rows(site: Site, *columns: Any) -> list[tuple[Any, ...]]:
    """These columns of every row of their table."""
    with site.system.database.session() as db:
        return list(columns[0].model.select(*columns).tuples().execute(db))


def assert_volume_consistent(site: Site) -> None:
    """The disk, the staged_files table and the space account agree; nothing is pinned or half pulled."""
    files = rows(site, StagedFiles.archive_id, StagedFiles.state, StagedFiles.size, StagedFiles.pins)
    used, staged = rows(site, Volume.used, Volume.staged)[0]
    on_disk = {path: path.stat().st_size for path in volume_files(site)}
    assert temporaries(site) == []
    assert on_disk == {staged_path(site, row[0]): row[2] for row in files}
    assert {(row[0], row[1], row[3]) for row in files} == {(row[0], "staged", 0) for row in files}
    assert (used, staged) == (sum(allocated_bytes(row[2]) for row in files),) * 2


def used_bytes(site: Site) -> int:
    """Bytes of the volume in use, according to the space account."""
    used: int = rows(site, Volume.used)[0][0]
    return used


def volume_files(site: Site) -> list[Path]:
    return [path for path in (volume(site) / "files").rglob("*") if path.is_file()]


def temporaries(site: Site) -> list[str]:
    return sorted(path.name for path in (volume(site) / "tmp").iterdir())


def volume(site: Site) -> Path:
    return Path(site.variables["VOLUME_PATH"])


def staged_path(site: Site, archive_id: str) -> Path:
    name = name_of(archive_id)
    return volume(site) / "files" / name[:2] / name


def uploads(site: Site) -> list[str]:
    """Keys of the incomplete multipart uploads."""
    s3 = boto3.client("s3", endpoint_url=site.variables["AWS_ENDPOINT_URL_S3"])
    listed: Any = s3.list_multipart_uploads(Bucket=site.variables["BUNDLE_BUCKET"])
    return [item["Key"] for item in listed.get("Uploads", [])]


def assert_nothing_remains(site: Site, within: float = 20) -> None:
    """All jobs end; no bundle and no upload remains, and the volume is consistent."""
    until(lambda: not jobs_left(site), within, "jobs are left")
    assert (site.stored(), uploads(site)) == ([], [])
    assert_volume_consistent(site)


def jobs_left(site: Site) -> list[tuple[Any, ...]]:
    """The jobs of carts, after a sweep has sent the jobs that were committed without a message."""
    site.system.sweep.run()
    time.sleep(0.1)
    return [row for row in rows(site, Jobs.id, Jobs.cart_id) if row[1] != NO_CART]


def until(condition: Callable[[], object], within: float = 10, message: str = "the condition is still false") -> None:
    """Wait for the condition; fail with the message after `within` seconds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.02)


def send_idle_jobs(site: Site) -> None:
    """Send a message for every job that no worker holds, as the sweep does later."""
    jobs = rows(site, Jobs.id, Jobs.token, Jobs.cart_id, Jobs.lease_until)
    idle = [JobMessage(job, token, f"cart-{cart}") for job, token, cart, lease_until in jobs if lease_until == 0]
    site.system.queue.send(idle)


def busy(site: Site) -> bool:
    """Whether any of the site's workers holds a job."""
    return any(worker.consumer.is_busy for worker in site.workers)


def gets(site: Site, archive_id: str = "") -> int:
    """Number of GET requests for a file, or for all files if `archive_id` is empty."""
    stats = site.simulator.stats()
    counts: dict[str, int] = stats["ids"].get(archive_id, {}) if archive_id else stats["totals"]
    return int(counts.get("gets", 0))


def state(site: Site, uid: str) -> str:
    return site.system.service.find(ANYONE, uid).state


def cart_states(site: Site) -> list[tuple[Any, ...]]:
    """Uid, state and message of every cart."""
    return rows(site, Carts.uid, Carts.state, Carts.message)
