"""What must hold at the end of a round, whatever faults it had. Each check yields one line for each violation."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from tests.chaos import reference
from tests.chaos.clients import CONNECTION_ERRORS, TIMEOUT, Client, Scenario
from tests.chaos.site import BUCKET, Site

BLOCK = 4096  # the space account rounds each file up to blocks of this size
#: Those of carts that are over: deleted, expired, or unknown. A failed cart keeps its entries for ERROR_TTL.
ENTRIES_LEFT = """SELECT DISTINCT cart_id FROM entries LEFT JOIN carts ON id = cart_id
WHERE id IS NULL OR live IS NULL OR state = 'expired'"""
#: A row of no job at all is an answer, which stays for a while.
RECALLS_LEFT = "SELECT archive_id FROM recalls WHERE job_id > 0 AND job_id NOT IN (SELECT id FROM jobs)"
UNFINISHED = ("waiting", "staging", "bundling")


def unfinished(site: Site, scenarios: Sequence[Scenario]) -> list[str]:
    """The uids of carts that are neither ready, in error nor gone."""
    return [uid for uid, state in _states(site, scenarios).items() if state in UNFINISHED]


def outcomes(site: Site, scenarios: Sequence[Scenario], client: Client) -> Iterator[str]:
    """Each cart is in an expected state; a ready one has the right bundle, a failed one a message."""
    states = _states(site, scenarios)
    for scenario in scenarios:
        uid, state = scenario.uid, states[scenario.uid]
        if scenario.failure:
            yield f"{uid}: {scenario.failure}"
        elif state not in scenario.expected:
            yield f"{uid}: is {state} ({_message(site, uid)}), expected {' or '.join(scenario.expected)}"
        elif state == "ready":
            yield from _bundle(scenario, client)
        elif state == "error" and not _message(site, uid):
            yield f"{uid}: is in error without a message"


def database(site: Site) -> Iterator[str]:
    """No uid has two live carts, the space account is exact, and finished carts have no jobs but clean-ups."""
    twice = site.database.query("SELECT owner, uid FROM carts WHERE live = 1 GROUP BY owner, uid HAVING COUNT(*) > 1")
    yield from (f"{uid}: has two live carts" for _, uid in twice)
    yield from _space_account(site)
    jobs = "SELECT cart_id, kind FROM jobs JOIN carts ON carts.id = cart_id WHERE kind <> 'cleanup' AND "
    for cart, kind in site.database.query(jobs + "(live IS NULL OR state IN ('ready', 'error', 'expired'))"):
        yield f"cart {cart} is finished and still has a {kind} job"


def store(site: Site) -> Iterator[str]:
    """The store holds the bundles of ready carts, and nothing else but what a clean-up job will remove."""
    rows = site.database.query("SELECT id, attempt FROM carts WHERE live = 1 AND state = 'ready'")
    ready = {f"carts/{cart}/{attempt}.tar" for cart, attempt in rows}
    with_jobs = {cart for (cart,) in site.database.query("SELECT DISTINCT cart_id FROM jobs")}
    stored = set(objects(site)) - uploaded_manifests(site)
    yield from (f"{key}: stray object" for key in sorted(stored - ready) if _cart_id(key) not in with_jobs)
    yield from (f"{key}: bundle of a ready cart is missing from the store" for key in sorted(ready - stored))


def leftovers(site: Site) -> Iterator[str]:
    """After the last cart is deleted and cleaned up, nothing of any cart is left."""
    yield from (f"job {row} is left" for row in site.database.query("SELECT id, cart_id, kind FROM jobs"))
    yield from (f"window {row} of a deleted cart is left" for row in site.database.query("SELECT cart_id FROM windows"))
    yield from (f"entries of cart {cart} are left" for (cart,) in site.database.query(ENTRIES_LEFT))
    uncleared = site.database.query("SELECT id FROM carts WHERE live IS NULL AND cleared_at IS NULL")
    yield from (f"deleted cart {cart} was cleaned up but not marked as cleared" for (cart,) in uncleared)
    recalls = site.database.query(
        "SELECT archive_id FROM recalls WHERE job_id > 0 AND job_id NOT IN (SELECT id FROM jobs)"
    )
    yield from (f"recall of {archive_id} by a job that is gone is left" for (archive_id,) in recalls)
    yield from (f"share of cart {cart} is left" for (cart,) in site.database.query("SELECT cart_id FROM shares"))
    unread = "SELECT token FROM uploads JOIN carts ON carts.id = cart_id WHERE closed_at IS NULL AND live IS NULL"
    yield from (f"upload {token} of a deleted cart is still open" for (token,) in site.database.query(unread))
    yield from (f"{key}: stray object" for key in set(objects(site)) - uploaded_manifests(site))
    yield from (f"{key}: stray upload" for key in uploads(site))
    yield from _space_account(site)
    yield from _volume(site)


def uploaded_manifests(site: Site) -> set[str]:
    """Keys that the sweep will delete when their URLs have expired."""
    return {f"manifests/{token}" for (token,) in site.database.query("SELECT token FROM uploads WHERE url_until > 0")}


def objects(site: Site) -> list[str]:
    pages = site.s3().get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def uploads(site: Site) -> list[str]:
    pages = site.s3().get_paginator("list_multipart_uploads").paginate(Bucket=BUCKET)
    return [item["Key"] for page in pages for item in page.get("Uploads", [])]


def _states(site: Site, scenarios: Sequence[Scenario]) -> dict[str, str]:
    """The state of each live cart by uid; `gone` if there is none."""
    uids = ", ".join(f"'{scenario.uid}'" for scenario in scenarios)
    rows = site.database.query(f"SELECT uid, state FROM carts WHERE live = 1 AND uid IN ({uids})")
    return {scenario.uid: "gone" for scenario in scenarios} | dict(rows)


def _bundle(scenario: Scenario, client: Client) -> Iterator[str]:
    """The download, through the API's redirect, is the tar that the manifest describes."""
    status, headers, _ = client.request("GET", scenario.uid)
    if status != 302:
        yield f"{scenario.uid}: is ready but GET returned {status}"
        return
    actual = _sha256(headers["Location"])
    expected = hashlib.sha256(reference.bundle(scenario.uid, scenario.final_files, scenario.sums)).hexdigest()
    if actual != expected:
        yield f"{scenario.uid}: the bundle does not match its manifest ({actual})"


def _sha256(url: str) -> str:
    """The digest of what a URL returns, or what went wrong."""
    parts, digest = urlsplit(url), hashlib.sha256()
    connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        response = connection.getresponse()
        if response.status != 200:
            return f"status {response.status}"
        while block := response.read(1 << 20):
            digest.update(block)
    except CONNECTION_ERRORS as error:
        return repr(error)
    finally:
        connection.close()
    return digest.hexdigest()


def _space_account(site: Site) -> Iterator[str]:
    """The account equals the sum of the files; no file is pinned when no window is in progress."""
    size = f"CEIL(size / {BLOCK}) * {BLOCK}"
    sums = f"SELECT COALESCE(SUM({size}), 0), COALESCE(SUM(IF(state = 'staged', {size}, 0)), 0) FROM staged_files"
    # One statement, so that a concurrent transaction is in both figures or in neither.
    [(used, staged, all_files, staged_files)] = site.database.query(f"SELECT used, staged, s.* FROM volume, ({sums}) s")
    if (used, staged) != (int(all_files), int(staged_files)):
        yield f"account: {used} bytes used, {staged} staged; sum of the files: {all_files}, {staged_files}"
    windows = site.database.query("SELECT COUNT(*) FROM windows WHERE state IN ('reserved', 'staged')")[0][0]
    pinned = site.database.query("SELECT archive_id, pins FROM staged_files WHERE pins <> 0")
    if not windows:
        yield from (f"{archive_id}: pinned {pins} times without a window" for archive_id, pins in pinned)


def _volume(site: Site) -> Iterator[str]:
    """The staged files on disk are those in the database; no temporary file and no half-pulled file is left."""
    rows = {name for (name,) in site.database.query("SELECT name FROM staged_files WHERE state = 'staged'")}
    files = {path.name for path in (site.home.volume / "files").rglob("*") if path.is_file()}
    yield from (f"{name}: on the volume but not in the database" for name in sorted(files - rows))
    yield from (f"{name}: in the database but not on the volume" for name in sorted(rows - files))
    yield from (f"{name}: left in tmp/" for name in sorted(path.name for path in (site.home.volume / "tmp").iterdir()))
    pulling = site.database.query("SELECT name FROM staged_files WHERE state <> 'staged'")
    yield from (f"{name}: marked as being pulled, but no worker pulls it" for (name,) in pulling)


def _message(site: Site, uid: str) -> str:
    rows = site.database.query(f"SELECT message FROM carts WHERE live = 1 AND uid = '{uid}'")
    return str(rows[0][0]) if rows else ""


def _cart_id(key: str) -> int:
    """The cart that a bundle's key belongs to; 0 for any other key."""
    parts = key.split("/")
    return int(parts[1]) if len(parts) > 2 and parts[1].isdigit() else 0
