"""What must hold when a round has ended, whatever was done to the system. Each answers with what is not so."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from tests.chaos import reference
from tests.chaos.carts import BROKEN, TIMEOUT, Client, Wish
from tests.chaos.site import BUCKET, Site

BLOCK = 4096  # what a file on the volume is charged in
UNFINISHED = ("waiting", "staging", "bundling")


def states(site: Site, wishes: Sequence[Wish]) -> dict[str, str]:
    """The state of each live cart; `gone` where there is none."""
    uids = ", ".join(f"'{wish.uid}'" for wish in wishes)
    rows = site.database.rows(f"SELECT uid, state FROM carts WHERE live = 1 AND uid IN ({uids})")
    return {wish.uid: "gone" for wish in wishes} | dict(rows)


def unended(site: Site, wishes: Sequence[Wish]) -> list[str]:
    return [uid for uid, state in states(site, wishes).items() if state in UNFINISHED]


def ended_well(site: Site, wishes: Sequence[Wish], client: Client) -> Iterator[str]:
    found = states(site, wishes)
    for wish in wishes:
        state = found[wish.uid]
        if wish.failure:
            yield f"{wish.uid}: {wish.failure}"
        elif state not in wish.ends:
            yield f"{wish.uid}: is {state} ({_message(site, wish.uid)}), not {' or '.join(wish.ends)}"
        elif state == "ready":
            yield from _bytes(wish, client)
        elif state == "error" and not _message(site, wish.uid):
            yield f"{wish.uid}: is in error and does not say why"


def database(site: Site) -> Iterator[str]:
    twice = site.database.rows("SELECT owner, uid FROM carts WHERE live = 1 GROUP BY owner, uid HAVING COUNT(*) > 1")
    yield from (f"{uid}: has two live carts" for _, uid in twice)
    yield from _account(site)
    idle = "SELECT cart_id, kind FROM jobs JOIN carts ON carts.id = cart_id WHERE kind <> 'cleanup' AND "
    for cart, kind in site.database.rows(idle + "(live IS NULL OR state IN ('ready', 'error', 'expired'))"):
        yield f"cart {cart} has ended and still has a {kind} job"


def store(site: Site) -> Iterator[str]:
    """Nothing lies in the store but the bundles of ready carts, and what a clean-up is still to remove."""
    rows = site.database.rows("SELECT id, attempt, upload_id, state, live FROM carts WHERE live = 1")
    ready = {f"carts/{row[0]}/{row[1]}.tar" for row in rows if row[3] == "ready"}
    waiting = {row[0] for row in site.database.rows("SELECT DISTINCT cart_id FROM jobs")}
    kept = set(objects(site))
    yield from (f"{key}: a stray object" for key in sorted(kept - ready) if _cart(key) not in waiting)
    yield from (f"{key}: a ready cart's bundle is not in the store" for key in sorted(ready - kept))


def nothing_left(site: Site) -> Iterator[str]:
    """After the last cart was deleted and cleaned up."""
    yield from (f"job {row} is left" for row in site.database.rows("SELECT id, cart_id, kind FROM jobs"))
    yield from (f"window {row} of a dead cart is left" for row in site.database.rows("SELECT cart_id FROM windows"))
    entries = site.database.rows("SELECT DISTINCT cart_id FROM entries JOIN carts ON id = cart_id WHERE live IS NULL")
    yield from (f"entries of dead cart {cart} are left" for (cart,) in entries)
    yield from (f"{key}: a stray object" for key in objects(site))
    yield from (f"{key}: a stray upload" for key in uploads(site))
    yield from _account(site)
    yield from _disk(site)


def objects(site: Site) -> list[str]:
    pages = site.s3().get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def uploads(site: Site) -> list[str]:
    pages = site.s3().get_paginator("list_multipart_uploads").paginate(Bucket=BUCKET)
    return [item["Key"] for page in pages for item in page.get("Uploads", [])]


def _bytes(wish: Wish, client: Client) -> Iterator[str]:
    """The download, by the API's redirect, is the tar the manifest says."""
    status, headers, _ = client.ask("GET", wish.uid)
    if status != 302:
        yield f"{wish.uid}: is ready, and its GET is answered {status}"
        return
    got = _sha256(headers["Location"])
    wanted = [hashlib.sha256(reference.bundle(wish.uid, wish.last)).hexdigest()]
    if got not in wanted:
        yield f"{wish.uid}: the bundle is not the one its manifest says ({got})"


def _sha256(url: str) -> str:
    parts, digest = urlsplit(url), hashlib.sha256()
    connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        if answer.status != 200:
            return f"answered {answer.status}"
        while block := answer.read(1 << 20):
            digest.update(block)
    except BROKEN as error:
        return repr(error)
    finally:
        connection.close()
    return digest.hexdigest()


def _account(site: Site) -> Iterator[str]:
    """The space account is what its files add up to; nothing is reserved when no window is under way."""
    size = f"CEIL(size / {BLOCK}) * {BLOCK}"
    sums = f"SELECT COALESCE(SUM({size}), 0), COALESCE(SUM(IF(state = 'staged', {size}, 0)), 0) FROM staged_files"
    # One statement, so that what is under way meanwhile is in both or in neither.
    [(used, staged, all_files, lying)] = site.database.rows(f"SELECT used, staged, s.* FROM volume, ({sums}) s")
    if (used, staged) != (int(all_files), int(lying)):
        yield f"the account says {used} bytes used, {staged} staged; the files are {all_files}, {lying}"
    windows = site.database.rows("SELECT COUNT(*) FROM windows WHERE state IN ('reserved', 'staged')")[0][0]
    pinned = site.database.rows("SELECT archive_id, pins FROM staged_files WHERE pins <> 0")
    if not windows:
        yield from (f"{archive_id}: reserved {pins} times for nothing" for archive_id, pins in pinned)


def _disk(site: Site) -> Iterator[str]:
    rows = dict(site.database.rows("SELECT name, size FROM staged_files WHERE state = 'staged'"))
    files = {path.name: path.stat().st_size for path in (site.home.volume / "files").rglob("*") if path.is_file()}
    yield from (f"{name}: on the volume and in no catalogue" for name in sorted(files.keys() - rows.keys()))
    yield from (f"{name}: in the catalogue and not on the volume" for name in sorted(rows.keys() - files.keys()))
    yield from (f"{name}: is left in tmp/" for name in sorted(p.name for p in (site.home.volume / "tmp").iterdir()))
    half = site.database.rows("SELECT name FROM staged_files WHERE state <> 'staged'")
    yield from (f"{name}: is still being pulled, by nobody" for (name,) in half)


def _message(site: Site, uid: str) -> str:
    rows = site.database.rows(f"SELECT message FROM carts WHERE live = 1 AND uid = '{uid}'")
    return str(rows[0][0]) if rows else ""


def _cart(key: str) -> int:
    parts = key.split("/")
    return int(parts[1]) if len(parts) > 2 and parts[1].isdigit() else 0
