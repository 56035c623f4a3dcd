"""Reading an uploaded manifest: exactly what was posted, and a worker may die between any two of its steps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from chalicelib.aws.manifest_uploads import ManifestUploadStore, former_key, upload_key
from chalicelib.errors import LeaseLost, PermanentError, StoreUnavailable
from chalicelib.posting.limits import ManifestLimits
from chalicelib.posting.notify_rights import NotifyPolicy, NotifyRights
from chalicelib.stores.audit_log import AuditFilter
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.manifest_row import ManifestRow
from chalicelib.stores.notify_keys import NotifyKeyStore
from chalicelib.stores.outbox import OutboxStore
from tests.doubles.manifest_uploads import etag_of
from tests.doubles.site import MemorySite, expired
from workers.handlers import import_manifest
from workers.handlers.import_manifest import ImportManifestHandler
from workers.handlers.unread_uploads import UnreadUploads
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Continue

FILES = [{"id": str(number), "path": f"d/f{number}"} for number in range(5)]
DOCUMENT = json.dumps({"fileids": FILES, "root": "top"}).encode()
KEY = upload_key("token")
LIMITS = ManifestLimits(body=1 << 20, upload=1 << 20, entries=100)


class Killed(BaseException):
    """The worker dies here."""


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_manifest, "BATCH", 2)


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    return MemorySite(tmp_path)


def handler(site: MemorySite, limits: ManifestLimits = LIMITS) -> ImportManifestHandler:
    world = site.world
    notify = NotifyRights(cast(OutboxStore, None), cast(NotifyKeyStore, None), NotifyPolicy())
    return ImportManifestHandler(world.jobs, world.carts, world.entries, unread(site), world.audit, limits, notify)


def unread(site: MemorySite) -> UnreadUploads:
    return UnreadUploads(site.world.uploads, cast(ManifestUploadStore, site.manifests))


def posted(site: MemorySite, content: bytes = DOCUMENT, root: str = "", owner: str = "") -> tuple[Cart, Lease]:
    """A cart that waits for its upload to be read, and the lease of its job."""
    world = site.world
    site.manifests.objects[KEY] = content
    world.uploads.add(owner, "up", "token", 3600)
    upload = world.uploads.newest(owner, "up")
    assert upload is not None

    def write() -> int:
        cart_id = world.carts.insert(owner, "up", ManifestRow(root, "upload-x", 0))
        assert world.uploads.bind(upload.id, etag_of(content), cart_id)
        return cart_id

    cart = site.cart(site.database.transaction(write))
    return cart, site.lease(cart, JobKind.UPLOAD)


def test_the_entries_are_inserted_and_the_upload_goes(site: MemorySite) -> None:
    cart, lease = posted(site)
    assert handler(site).run(lease) == Continue(JobKind.RECALL)
    assert_read(site, cart)


def audited_files(site: MemorySite) -> list[tuple[str, int, list[str]]]:
    """Owner, first position and ids of the audit's records."""
    rows = [row for row, _ in site.world.audit_log.records(AuditFilter())]
    return [(row.owner, found["first"], found["ids"]) for row in rows for found in [json.loads(row.details or "{}")]]


READ = [("ann", 0, ["0", "1"]), ("ann", 2, ["2", "3"]), ("ann", 4, ["4"])]


def test_the_files_are_recorded_for_their_owner(site: MemorySite) -> None:
    _, lease = posted(site, owner="ann")
    handler(site).run(lease)
    assert audited_files(site) == READ


def test_a_worker_that_repeats_another_records_the_same_files_again(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing of a batch whose transaction was not committed."""
    _, lease = posted(site, owner="ann")
    real, calls = site.world.entries.add, iter(range(10))

    def killed(*arguments: Any) -> None:
        real(*arguments)
        if next(calls) == 1:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(site.world.entries, "add", killed)
        with pytest.raises(Killed):
            handler(site).run(lease)
    assert audited_files(site) == READ[:1]
    handler(site).run(expired(lease, site))
    assert audited_files(site) == READ[:1] + READ


STEPS: dict[str, Callable[[MemorySite], tuple[Any, str]]] = {
    "old entries dropped": lambda site: (site.world.entries, "drop"),
    "entries inserted": lambda site: (site.world.entries, "add"),
    "files recorded": lambda site: (site.world.audit, "record_files"),
    "manifest recorded": lambda site: (site.world.carts, "record_manifest"),
    "row closed": lambda site: (site.world.uploads, "close_of_cart"),
    "object deleted": lambda site: (site.manifests, "delete"),
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_worker_that_dies_leaves_a_job_that_can_be_repeated(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    cart, lease = posted(site)
    owner, name = STEPS[step](site)
    real = getattr(owner, name)

    def killed(*arguments: Any) -> Any:
        if when == "after":
            real(*arguments)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, killed)
        with pytest.raises(Killed):
            handler(site).run(lease)
    again = expired(lease, site)
    if again.job.kind == JobKind.UPLOAD:
        assert handler(site).run(again) == Continue(JobKind.RECALL)
    sweep_uploads(site)
    assert_read(site, cart)


def test_a_refusal_is_repeated_word_for_word_if_the_worker_dies_before_the_cart_fails(site: MemorySite) -> None:
    _, lease = posted(site, b'{"fileids": [{"id": "1"}]}')
    first = refused(site, lease)
    assert "fileids[0].path" in first
    assert refused(site, expired(lease, site)) == first


def test_the_upload_of_a_cart_that_failed_is_deleted_by_its_clean_up(site: MemorySite) -> None:
    cart, _ = posted(site, b"[]")
    (message,) = site.database.transaction(lambda: site.world.endings.fail(cart.id, "broken"))
    job = site.world.jobs.claim(message.job_id, message.token)
    assert job is not None
    site.cleanup_handler.run(Lease(job, "receipt", site.stopping))
    assert site.manifests.objects == {}


@pytest.mark.parametrize(("content", "reason"), [(b"other", "was overwritten"), (None, "is gone")])
def test_only_what_was_posted_is_read(site: MemorySite, content: bytes | None, reason: str) -> None:
    _, lease = posted(site)
    del site.manifests.objects[KEY]
    if content is not None:
        site.manifests.objects[KEY] = content
    assert reason in refused(site, lease)


def test_an_upload_that_goes_by_uid_alone_is_never_read_for_an_owner(site: MemorySite) -> None:
    """The previous release has such objects, and no owners: another owner may have the same uid."""
    site.manifests.objects[former_key("up")] = DOCUMENT
    row = ManifestRow("up", f"upload-{etag_of(DOCUMENT)}", 0)
    nobodys = site.cart(site.database.transaction(lambda: site.world.carts.insert("", "up", row)))
    anns = site.cart(site.database.transaction(lambda: site.world.carts.insert("ann", "up", row)))
    assert unread(site).source(nobodys).keys == [former_key("up")]
    assert "is gone" in refused(site, site.lease(anns, JobKind.UPLOAD))


@pytest.mark.parametrize("content", [b"other", None])
@pytest.mark.parametrize("bad", [KEY, "manifests/copy"])
def test_a_copy_is_read_where_an_upload_is_not_what_was_posted(
    site: MemorySite, bad: str, content: bytes | None
) -> None:
    cart, lease = posted(site)
    world = site.world
    world.uploads.add("", "up", "copy", 3600)
    copy = world.uploads.newest("", "up")
    assert copy is not None
    assert site.database.transaction(lambda: world.uploads.bind(copy.id, etag_of(DOCUMENT), cart.id))
    site.manifests.objects["manifests/copy"] = DOCUMENT
    del site.manifests.objects[bad]
    if content is not None:
        site.manifests.objects[bad] = content
    assert handler(site).run(lease) == Continue(JobKind.RECALL)
    assert world.uploads.unread(cart.id) == []
    assert site.manifests.objects == {}


def test_limits_are_named(site: MemorySite) -> None:
    _, lease = posted(site)
    assert "MAX_MANIFEST, 10 bytes" in refused(site, lease, ManifestLimits(1 << 20, 10, 100))
    assert "MAX_ENTRIES" in refused(site, lease, ManifestLimits(1 << 20, 1 << 20, 4))


def test_a_store_that_fails_is_asked_again(site: MemorySite) -> None:
    cart, lease = posted(site)
    site.manifests.is_down = True
    with pytest.raises(StoreUnavailable):
        handler(site).run(lease)
    site.manifests.is_down = False
    handler(site).run(lease)
    assert_read(site, cart)


def test_a_store_that_fails_to_delete_delays_nothing(site: MemorySite, monkeypatch: pytest.MonkeyPatch) -> None:
    cart, lease = posted(site)

    def down(keys: list[str]) -> None:
        raise StoreUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(site.manifests, "delete", down)
        assert handler(site).run(lease) == Continue(JobKind.RECALL)
    sweep_uploads(site)
    assert_read(site, cart)


def test_a_cart_that_was_replaced_meanwhile_is_not_written(site: MemorySite, monkeypatch: pytest.MonkeyPatch) -> None:
    cart, lease = posted(site)
    read = site.manifests.read

    def replaced(key: str, etag: str) -> Iterator[bytes]:
        yield from read(key, etag)
        site.database.transaction(lambda: site.world.endings.retire(cart.id))

    monkeypatch.setattr(site.manifests, "read", replaced)
    with pytest.raises(LeaseLost):
        handler(site).run(lease)


def refused(site: MemorySite, lease: Lease, limits: ManifestLimits = LIMITS) -> str:
    with pytest.raises(PermanentError) as caught:
        handler(site, limits).run(lease)
    return caught.value.message


def sweep_uploads(site: MemorySite) -> None:
    """What the sweep does once the URL has expired."""
    site.database.advance(7200)
    for upload in site.world.uploads.expired(0, 10):
        site.manifests.delete([upload_key(upload.token)])


def assert_read(site: MemorySite, cart: Cart) -> None:
    found = site.cart(cart.id)
    assert (found.root, found.files_total, found.uploaded) == ("top", 5, 1)
    assert [entry.archive_id for entry in site.world.entries.page(cart.id, 0, 99)] == list("01234")
    assert site.manifests.objects == {}
    assert site.world.uploads.unread(cart.id) == []
