"""W11: carts of one file beside a flood: large carts whose files the archive does not have."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import replace

from bench.archives import Archive
from bench.client import CartClient
from bench.files import File
from bench.measure import warm_cart
from bench.plan import SMALL
from bench.records import OURS, Record
from bench.rig import Rig

BETWEEN = 2.0  # seconds between two small carts: the flood is always at another point
NO_DIGEST = "0" * 40


def w11(rig: Rig, _only: Sequence[str]) -> None:
    """On both archives; in the second variant the first file of each large cart exists, so that all are asked for."""
    source = rig.files(SMALL, rig.plan.runs + 1)
    for archive in (rig.real, rig.simulator):
        for found_first in (False, True):
            files = source.take(rig.label(), rig.plan.runs + 1)
            with warm_cart(rig, archive) as system:
                rig.settle()
                client = CartClient(system.url)
                for _ in range(rig.plan.w11_carts):
                    client.post(uuid.uuid4().hex, _large(rig, files[0] if found_first else None))
                for file in files[1:]:
                    time.sleep(BETWEEN)
                    rig.note(_small(rig, client, archive, [file], found_first=found_first))
                client.close()


def _large(rig: Rig, found: File | None) -> list[File]:
    """A cart of files that the archive does not have, behind this one."""
    label = uuid.uuid4().hex
    absent = [File(f"{label}-{number}", f"f{number:05}", SMALL, NO_DIGEST) for number in range(rig.plan.w11_files)]
    return [found, *absent[1:]] if found else absent


def _small(rig: Rig, client: CartClient, archive: Archive, files: Sequence[File], *, found_first: bool) -> Record:
    uid = uuid.uuid4().hex
    began = time.perf_counter()
    post = client.post(uid, files)
    outcome = client.wait(uid, rig.plan.limit)
    variant = f"{archive.name} archive{', first file found' if found_first else ''}"
    record = Record("W11", variant, OURS, time.perf_counter() - began, files=1, size=SMALL, parts={"post": post})
    problem = "" if outcome.status == "ready" else f"{outcome.status}: {outcome.message[:200]}"
    return replace(record, problem=problem)
