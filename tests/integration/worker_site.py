"""What the tests of the worker look at: archive files, manifests, the volume, its account, the store, the job rows."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import boto3

from chalicelib.db.models import Carts, Jobs, StagedFiles, Volume
from chalicelib.job_message import JobMessage
from chalicelib.stores.jobs import NO_CART
from infra.local.archive_simulator_files import find
from tests.integration.conftest import Site
from workers.files.volume import charge, name_of

MIB = 1 << 20
MTIME_NS = 1_500_000_000_000_000_000


def generated(count: int, size: int, seed: str = "") -> dict[str, bytes]:
    """Files the simulated archive makes up: id -> content."""
    ids = [f"gen-{size}-{seed}{number}" for number in range(count)]
    return {archive_id: content(archive_id) for archive_id in ids}


def content(archive_id: str) -> bytes:
    held = find(None, archive_id)
    assert held is not None
    return b"".join(held.chunks(0, held.size))


def manifest(files: dict[str, bytes], hash_name: str = "sha1", wrong: Iterable[str] = ()) -> bytes:
    """A manifest of these files, each under `d/`; those in `wrong` with a hash they do not have."""
    entries = []
    for name, data in files.items():
        digest = hashlib.new(hash_name, b"other" + data if name in wrong else data).hexdigest() if hash_name else ""
        entries.append({"id": name, "path": f"d/{name}", "hashtype": hash_name or "sha1", "hashsum": digest})
    return json.dumps({"fileids": entries}).encode()


def members(bundle: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(bundle)) as tar:
        return {item.name: tar.extractfile(item).read() for item in tar if item.isfile()}  # type: ignore[union-attr]


def assert_ready(site: Site, uid: str, files: dict[str, bytes], within: float = 30) -> None:
    """The cart becomes ready and its bundle has exactly these files."""
    cart = site.wait(uid, within)
    assert (cart.state, cart.message) == ("ready", ""), f"{cart.state}: {cart.message}"
    assert members(site.bundle(uid)) == {f"{uid}/d/{name}": data for name, data in files.items()}


def rows(site: Site, *columns: Any) -> list[tuple[Any, ...]]:
    """All rows of these columns' table."""
    with site.system.database.session() as db:
        return list(columns[0].model.select(*columns).tuples().execute(db))


def assert_volume_exact(site: Site) -> None:
    """The account, the catalogue and the disk say the same; nothing is pinned, half-made or pulled."""
    staged = rows(site, StagedFiles.archive_id, StagedFiles.state, StagedFiles.size, StagedFiles.pins)
    used, lying = rows(site, Volume.used, Volume.staged)[0]
    on_disk = {path: path.stat().st_size for path in volume_files(site)}
    assert temporaries(site) == []
    assert on_disk == {staged_path(site, row[0]): row[2] for row in staged}
    assert {(row[0], row[1], row[3]) for row in staged} == {(row[0], "staged", 0) for row in staged}
    assert (used, lying) == (sum(charge(row[2]) for row in staged),) * 2


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
    """Keys of the unfinished uploads in the store."""
    s3 = boto3.client("s3", endpoint_url=site.variables["AWS_ENDPOINT_URL_S3"])
    listed: Any = s3.list_multipart_uploads(Bucket=site.variables["BUNDLE_BUCKET"])
    return [item["Key"] for item in listed.get("Uploads", [])]


def assert_nothing_remains(site: Site, within: float = 20) -> None:
    """In the end there is no bundle, no upload, no job, and the volume is exact."""
    until(lambda: not left(site), within, "jobs are left")
    assert (site.stored(), uploads(site)) == ([], [])
    assert_volume_exact(site)


def left(site: Site) -> list[tuple[Any, ...]]:
    """The jobs of carts that are left after a sweep, which sends what is in no hurry."""
    site.system.service.sweep()
    time.sleep(0.1)
    return [row for row in rows(site, Jobs.id, Jobs.cart_id) if row[1] != NO_CART]


def until(true: Callable[[], object], within: float = 10, otherwise: str = "it did not come true") -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


def call(site: Site) -> None:
    """Send every job that nobody holds at once, as a sweep does later."""
    jobs = rows(site, Jobs.id, Jobs.token, Jobs.cart_id, Jobs.lease_until)
    site.system.queue.send([JobMessage(job, token, f"cart-{cart}") for job, token, cart, until in jobs if until == 0])


def busy(site: Site) -> bool:
    """Whether any of the site's workers holds a job."""
    return any(worker.consumer.is_busy for worker in site.workers)


def gets(site: Site, archive_id: str = "") -> int:
    """How often the archive was asked for a file's content; in all, when none is named."""
    stats = site.simulator.stats()
    asked: dict[str, int] = stats["ids"].get(archive_id, {}) if archive_id else stats["totals"]
    return int(asked.get("gets", 0))


def state(site: Site, uid: str) -> str:
    return site.system.service.find("", uid).state


def cart_states(site: Site) -> list[tuple[Any, ...]]:
    return rows(site, Carts.uid, Carts.state, Carts.message)
