"""One truth about progress: whatever happens to a cart, `/status` and `/files` agree, and bytes never go back.

The worker's real classes on a real database. Random histories: crashes at any request, other carts that stage the same
files, files that fail, vanish or change, evictions, a store that is down.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.config.settings import load
from chalicelib.db import schema
from chalicelib.db.models import Carts, Jobs, Windows
from chalicelib.db.states import WindowState
from chalicelib.errors import ArchiveUnavailable, CartError, LayoutChanged
from chalicelib.stores.cart_row import UNFINISHED, Cart, CartState
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.progress import ProgressStore
from tests.contracts.world import ShiftedDatabase, on_database
from tests.doubles.site import MemorySite
from workers.bundling import part_limits, plan_windows
from workers.bundling.part_limits import PartSizes
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer, Park
from workers.staging.file_retries import FileRetryPolicy

FILES = {f"f{number}": bytes([65 + number]) * (200 * number) for number in range(9)}
COUNTER = itertools.count()


class Killed(BaseException):
    """The worker dies here."""


@dataclass
class DatabaseSite(MemorySite):
    """A site whose tables are in a real database."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.world = on_database(cast(ShiftedDatabase, self.database))
        self.progress = ProgressStore(cast(Any, self.database))
        self.seen: dict[int, tuple[int, int, int]] = {}
        self.kill_in = 0
        self.archive.on_request = self.on_request

    def on_request(self, archive_id: str) -> None:
        """Look at every cart during every request to the archive, and die at the one that is chosen."""
        self.database.advance(1.6)
        self.check()
        self.kill_in -= 1
        if self.kill_in == 0:
            raise Killed

    def check(self) -> None:
        with cast(ShiftedDatabase, self.database).session() as db:
            ids = [row[0] for row in Carts.select(Carts.id).tuples().execute(db)]
        for cart_id in ids:
            self.check_cart(self.world.carts.get(cart_id))

    def check_cart(self, cart: Cart) -> None:
        states = Counter(self.states(cart))
        staged = cart.files_total if cart.state == CartState.READY else cart.files_staged
        assert staged == states["staged"] + states["bundled"], (cart, states)
        assert self.progress.counts(cart).bundled == states["bundled"]
        assert 0 <= cart.bytes_staged <= cart.bytes_total
        assert 0 <= cart.bundle_bytes <= cart.bundle_size
        attempt, bytes_staged, bundle_bytes = self.seen.get(cart.id, (0, 0, 0))
        if attempt == cart.attempt:
            assert cart.bytes_staged >= bytes_staged
            assert cart.bundle_bytes >= bundle_bytes
        self.seen[cart.id] = (cart.attempt, cart.bytes_staged, cart.bundle_bytes)
        self.check_sums(cart)

    def check_sums(self, cart: Cart) -> None:
        """The cart's counts are the sums of its windows'."""
        with cast(ShiftedDatabase, self.database).session() as db:
            rows = list(Windows.select().where(Windows.cart_id == cart.id).execute(db))
        if not rows or cart.state not in UNFINISHED:
            return
        assert cart.files_staged == sum(row.counted_files for row in rows)
        assert cart.bytes_staged == sum(row.counted_bytes + row.pulling_bytes for row in rows)
        assert cart.bundle_bytes == sum(row.uploaded_bytes for row in rows)
        assert cart.windows_done == sum(row.state == WindowState.DONE for row in rows)

    def states(self, cart: Cart) -> Iterator[str]:
        after: int | None = -1
        while after is not None:
            page = self.progress.files(cart, after, 4)
            yield from (file.state for file in page.files)
            after = page.next

    def run_one(self, choice: int) -> None:
        """Claim one of the jobs and run it; what it raises ends it as in the worker."""
        self.database.advance(40)
        with cast(ShiftedDatabase, self.database).session() as db:
            rows = list(Jobs.select(Jobs.id, Jobs.token).order_by(Jobs.id).tuples().execute(db))
        job = self.world.jobs.claim(*rows[choice % len(rows)]) if rows else None
        if job is None:
            return
        handlers = {
            JobKind.RECALL: self.recall_handler,
            JobKind.WINDOW: self.window_handler,
            JobKind.CLEANUP: self.cleanup_handler,
        }
        lease = Lease(job, "receipt", self.stopping)
        try:
            outcome = cast(Any, handlers[JobKind(job.kind)]).run(lease)
        except Killed:
            return
        except CartError as error:
            if not self.bundles.is_down and not isinstance(error, LayoutChanged):
                message = error.message
                self.world.jobs.finish(job, lambda: self.world.endings.fail(job.cart_id, message))
            return
        if isinstance(outcome, Defer):
            self.world.jobs.defer(job, outcome.delay)
        if isinstance(outcome, Park):
            self.world.jobs.park(job, 1, outcome.reason, outcome.window)


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShiftedDatabase]:
    database = ShiftedDatabase(load({"SQLITE_PATH": str(tmp_path_factory.mktemp("truth") / "cart.db")}))
    schema.sync(database)
    yield database
    database.close()


@pytest.fixture(autouse=True)
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_limits, "MIN_PART", 2000)
    monkeypatch.setattr(plan_windows, "MIN_PART", 2000)


def new_site(sqlite: ShiftedDatabase, root: Path) -> DatabaseSite:
    sqlite.empty()
    return DatabaseSite(
        root / str(next(COUNTER)),
        limit=64 * 4096,
        retries_policy=FileRetryPolicy(patience=200),
        sizes=PartSizes(2500, 5000, 4),
        database=cast(Any, sqlite),
    )


def post(site: DatabaseSite, uid: str, sums: str) -> Cart:
    cart = site.post(uid, FILES)
    site.world.job(cart.id, JobKind.RECALL)
    with cast(ShiftedDatabase, site.database).session() as db:
        Carts.update(sums=sums).where(Carts.id == cart.id).execute(db)
    return cart


def act(site: DatabaseSite, step: tuple[str, int]) -> None:
    name, number = step
    archive_id = f"f{number % len(FILES)}"
    file = site.archive.files[archive_id]
    if name == "run":
        site.run_one(number)
    elif name == "kill":
        site.kill_in = 1 + number % 7
        site.run_one(number // 7)
        site.kill_in = 0
    elif name == "fail":
        file.error = ArchiveUnavailable("archive answered 500")
    elif name == "recover":
        file.error = None
    elif name == "vanish":
        site.volume.remove_staged(archive_id)
    elif name == "change":
        file.content = file.content + b"+"
    elif name == "down":
        site.bundles.is_down = not site.bundles.is_down


steps = st.lists(
    st.tuples(
        st.sampled_from(["run"] * 6 + ["kill"] * 3 + ["fail", "recover", "vanish", "change", "down"]),
        st.integers(0, 60),
    ),
    max_size=18,
)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=steps, sums=st.sampled_from(["", "sha256"]), others=st.booleans())
def test_status_and_files_agree_throughout_any_history(
    sqlite: ShiftedDatabase, tmp_path: Path, steps: list[tuple[str, int]], sums: str, others: bool
) -> None:
    site = new_site(sqlite, tmp_path)
    carts = [post(site, "a", sums), *([post(site, "b", "")] if others else [])]
    for step in steps:
        act(site, step)
        site.check()
    site.bundles.is_down = False
    for file in site.archive.files.values():
        file.error = None
    for turn in range(150):
        if all(site.cart(cart.id).state not in UNFINISHED for cart in carts):
            break
        site.run_one(turn)
        site.check()
    for cart in carts:
        found = site.cart(cart.id)
        assert found.state in (CartState.READY, CartState.ERROR), found
        if found.state == CartState.READY:
            assert (found.bytes_staged, found.bundle_bytes) == (found.bytes_total, found.bundle_size)
            assert (found.files_staged, found.windows_staged) == (found.files_total, found.windows_total)


def test_a_file_that_another_cart_has_staged_counts_when_this_cart_counts_it(
    sqlite: ShiftedDatabase, tmp_path: Path
) -> None:
    site = new_site(sqlite, tmp_path)
    first = post(site, "a", "")
    while site.cart(first.id).state in UNFINISHED:
        site.run_one(0)
    second = post(site, "b", "")
    site.run_one(0)
    assert set(site.states(site.cart(second.id))) in ({"waiting"}, {"waiting", "bundled"}), "on the volume, not counted"
    site.check()


def test_a_file_that_is_retried_says_so_with_the_reason(sqlite: ShiftedDatabase, tmp_path: Path) -> None:
    site = new_site(sqlite, tmp_path)
    cart = post(site, "a", "")
    site.archive.files["f2"].errors["GET"] = ArchiveUnavailable("archive answered 500")
    for _ in range(3):
        site.run_one(0)
    page = site.progress.files(site.cart(cart.id), -1, 100)
    retried = [(file.path, file.reason, file.error) for file in page.files if file.state == "retrying"]
    assert retried == [("f2", "archive answered 500", "")]
    site.archive.files["f2"].errors.clear()
    while site.cart(cart.id).state in UNFINISHED:
        site.run_one(0)
    page = site.progress.files(site.cart(cart.id), -1, 100)
    assert {(file.state, file.reason) for file in page.files} == {("bundled", "")}


def test_no_file_of_a_cart_that_failed_is_said_to_be_retried(sqlite: ShiftedDatabase, tmp_path: Path) -> None:
    site = new_site(sqlite, tmp_path)
    cart = post(site, "a", "")
    site.archive.files["f2"].errors["GET"] = ArchiveUnavailable("archive answered 500")
    for _ in range(3):
        site.run_one(0)
    sqlite.transaction(lambda: site.world.endings.fail(cart.id, "It was not ready in time."))
    assert "retrying" not in set(site.states(site.cart(cart.id)))
