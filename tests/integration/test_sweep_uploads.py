"""What the sweep does with uploaded manifests: nothing that was put into the store stays for ever."""

from __future__ import annotations

import boto3
import pytest

from chalicelib.aws.manifest_uploads import ManifestUploadStore, upload_key
from chalicelib.db.models import Carts, Uploads
from chalicelib.errors import InvalidManifest, StoreUnavailable
from chalicelib.sweep.policy import SWEEP_POLICY
from chalicelib.sweep.sweep import SweepIncomplete
from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.test_uploaded_manifest import DOCUMENT, OTHER, post, put, upload
from tests.integration.worker_site import rows, until

HOUR, DAY = 3600.0, 86400.0


@pytest.fixture(autouse=True)
def dead_letters(site: Site) -> None:
    boto3.client("sqs").create_queue(QueueName=f"{site.variables['JOB_QUEUE']}-dead")


def later(site: Site, seconds: float) -> None:
    """Let this time pass for every upload."""
    with site.system.database.session() as db:
        Uploads.update(created_at=Uploads.created_at - seconds).execute(db)
        Uploads.update(url_until=Uploads.url_until - seconds).where(Uploads.url_until > 0).execute(db)


def swept(site: Site) -> tuple[list[str], int]:
    """The objects and the number of rows of uploads after a sweep."""
    site.system.sweep.run()
    return site.stored(), len(rows(site, Uploads.id))


def test_what_was_never_posted_goes_after_a_day(site: Site) -> None:
    token = upload(site, "up", DOCUMENT)
    site.system.service.manifest_upload(ANYONE, "up")  # and nothing was put there
    later(site, DAY - HOUR)
    assert swept(site) == ([upload_key(token)], 2)
    later(site, HOUR + 1)
    assert swept(site) == ([], 0)


def test_what_waits_to_be_read_stays(site: Site) -> None:
    token = upload(site, "up", DOCUMENT)
    post(site, "up")
    later(site, 10 * DAY)
    assert swept(site) == ([upload_key(token)], 1)
    site.start_worker()
    assert site.wait("up").state == "ready"


def test_what_is_put_after_it_was_read_goes_when_the_url_has_expired(site: Site) -> None:
    site.start_worker()
    slot = site.system.service.manifest_upload(ANYONE, "up")
    put(slot.url, DOCUMENT)
    post(site, "up")
    site.wait("up")
    put(slot.url, OTHER)
    later(site, HOUR + SWEEP_POLICY.upload_slack - 60)
    assert upload_key(slot.upload) in swept(site)[0], "its URL may still be used"
    later(site, 120)
    stored, left = swept(site)
    assert upload_key(slot.upload) not in stored
    assert left == 1, "the row stays with its cart"
    post(site, "up", slot.upload)
    assert len(rows(site, Carts.id)) == 1, "posting it again is still no new work"


def test_what_a_deleted_cart_left_goes_when_the_url_has_expired(site: Site) -> None:
    site.system.service.create(ANYONE, "up", DOCUMENT)
    slot = site.system.service.manifest_upload(ANYONE, "up")
    put(slot.url, OTHER)
    site.system.service.delete(ANYONE, "up")
    put(slot.url, OTHER)
    later(site, HOUR + SWEEP_POLICY.upload_slack + 1)
    assert swept(site) == ([], 0)


def test_a_sweep_that_dies_before_its_rows_are_written_is_repeated(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    upload(site, "up", DOCUMENT)
    later(site, 2 * DAY)
    delete = ManifestUploadStore.delete

    def failing(store: ManifestUploadStore, keys: list[str]) -> None:
        delete(store, keys)
        raise StoreUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(ManifestUploadStore, "delete", failing)
        with pytest.raises(SweepIncomplete, match="expired uploads removed"):
            site.system.sweep.run()
    assert len(rows(site, Uploads.id)) == 1
    with pytest.raises(InvalidManifest, match="discarded"):
        post(site, "up")  # what is being removed becomes no cart
    assert swept(site) == ([], 0)


def test_the_upload_of_a_refused_manifest_goes_with_the_cart(site: Site) -> None:
    site.start_worker()
    upload(site, "bad", b"not json")
    post(site, "bad")
    assert site.wait("bad").state == "error"
    until(lambda: site.stored() == [], message="the upload is still there")
    later(site, 3 * HOUR)
    assert swept(site) == ([], 1)


def test_one_sweep_removes_a_bounded_number(site: Site) -> None:
    bounded = site.system.sweep.expired_uploads
    bounded._limit = 2
    for _ in range(5):
        site.system.service.manifest_upload(ANYONE, "up")
    later(site, 2 * DAY)
    assert [swept(site)[1] for _ in range(3)] == [3, 1, 0]
