"""Files that are odd in what their bytes do not need, and files named twice: ready, or only the wrong entry named."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from chalicelib.db.models import Entries
from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import assert_ready, assert_volume_consistent, generated, gets, manifest, rows
from workers.archive.mtime import EARLIEST, LATEST

#: Last-Modified -> seconds since the epoch in the bundle.
TIMES = {
    "-86400.0": -86_400,
    "-86400.25": -86_400.25,
    "-0.5": -0.5,
    "15032385535.0": LATEST / 10**9,
    "1e10": LATEST / 10**9,
    "-1e400": EARLIEST / 10**9,
    "4102444800.5": 4_102_444_800.5,
    "Fri, 14 Jul 1917 02:40:00 GMT": -1_655_760_000,
    "Fri, 14 Jul 2517 02:40:00 GMT": LATEST / 10**9,
    "nan": 0,
    "inf": 0,
    "": 0,
    "yesterday": 0,
    "1500000000.25": 1_500_000_000.25,
}


def test_files_of_any_time_make_a_cart_that_is_ready_and_are_pulled_once(site: Site) -> None:
    files = generated(len(TIMES), 3000)
    site.simulator.control(mtimes=dict(zip(files, TIMES, strict=True)))
    site.start_worker()
    for uid in ("first", "second"):
        site.system.service.create(ANYONE, uid, manifest(files))
        assert_ready(site, uid, files)
        with tarfile.open(fileobj=io.BytesIO(site.bundle(uid))) as tar:
            found = {info.name.rpartition("/")[2]: info.mtime for info in tar if info.isfile()}
        assert found == {name: pytest.approx(seconds) for name, seconds in zip(files, TIMES.values(), strict=True)}
    assert [gets(site, name) for name in files] == [1] * len(files)
    assert {type(mtime_ns) for (mtime_ns,) in rows(site, Entries.mtime_ns)} == {int}
    assert_volume_consistent(site)


def test_of_two_entries_of_one_file_only_the_one_with_a_wrong_hash_is_named(site: Site) -> None:
    files = generated(1, 3000)
    entries = (
        json.loads(manifest(files, "sha256"))["fileids"] + json.loads(manifest(files, "md5", wrong=files))["fileids"]
    )
    entries[1]["path"] = "copy"
    site.start_worker()
    site.system.service.create(ANYONE, "twice", json.dumps({"fileids": entries}).encode())
    cart = site.wait("twice")
    assert cart.state == "error"
    assert cart.message.startswith(f"copy (id {next(iter(files))}): its md5 is ")
    assert cart.message.endswith("; 1 of 2 files failed")
    assert [error != "" for (error,) in rows(site, Entries.error)] == [False, True]
    assert gets(site) == 3
