"""Which upload a POST binds, to which cart: on a database, with the objects of uploads in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from chalicelib.aws.manifest_uploads import upload_key
from chalicelib.db.database import Database
from chalicelib.db.models import Carts, Uploads
from chalicelib.errors import BodyTooLarge, InvalidManifest
from chalicelib.posting.limits import ManifestLimits
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.job_row import JobKind
from tests.callers import ANYONE, caller
from tests.doubles.manifest_uploads import etag_of
from tests.integration.posting import Posting

ONE, TWO = b'{"fileids": [{"id": 1, "path": "one"}]}', b'{"fileids": [{"id": 2, "path": "two"}]}'


@pytest.fixture
def posting(database: Database) -> Posting:
    return Posting(database)


def test_each_request_for_a_url_makes_an_upload_of_its_own(posting: Posting) -> None:
    slots = [posting.service.manifest_upload(ANYONE, "a") for _ in range(3)]
    assert len({slot.upload for slot in slots}) == len({slot.url for slot in slots}) == 3
    assert all(slot.url.endswith(f"manifests/{slot.upload}") and len(slot.upload) == 32 for slot in slots)


def test_the_cart_waits_for_its_upload_to_be_read(posting: Posting) -> None:
    token = upload(posting, ONE)
    posting.service.create(ANYONE, "a", notice())
    cart = posting.carts.find("", "a")
    [unread] = posting.uploads.unread(cart.id)
    assert (unread.token, unread.etag) == (token, etag_of(ONE))
    assert (cart.uploaded, cart.root, cart.files_total) == (1, "", 0)
    [message] = posting.queue.sent
    job = posting.jobs.claim(message.job_id, message.token)
    assert job is not None
    assert (job.kind, job.cart_id) == (JobKind.UPLOAD, cart.id)


def test_without_a_name_the_newest_upload_is_meant(posting: Posting) -> None:
    upload(posting, ONE)
    upload(posting, TWO)
    assert etag_after(posting, notice()) == etag_of(TWO)


def test_a_newer_url_to_which_nothing_was_put_hides_older_uploads(posting: Posting) -> None:
    upload(posting, ONE)
    posting.service.manifest_upload(ANYONE, "a")
    refused(posting, notice(), "nothing has been uploaded")


def test_a_named_upload_is_bound_whichever_is_the_newest(posting: Posting) -> None:
    first = upload(posting, ONE)
    upload(posting, TWO)
    assert etag_after(posting, notice(first)) == etag_of(ONE)


def test_an_upload_of_another_uid_or_owner_is_as_unknown_as_one_that_never_was(posting: Posting) -> None:
    upload(posting, ONE)
    others = [upload(posting, ONE, uid="b"), upload(posting, ONE, owner="else"), "0" * 32, "'; --"]
    messages = {refused(posting, notice(token), "there is none of this name") for token in others}
    assert len(messages) == 1
    assert carts(posting) == 0


def test_nothing_uploaded_is_no_cart(posting: Posting) -> None:
    refused(posting, notice(), "nothing has been uploaded; POST /a/manifest returns the URL")
    slot = posting.service.manifest_upload(ANYONE, "a")
    refused(posting, notice(slot.upload), "nothing has been uploaded")
    assert carts(posting) == 0


def test_an_upload_larger_than_the_limit_is_refused_before_it_is_read(database: Database) -> None:
    posting = Posting(database, limits=ManifestLimits(body=10, upload=len(ONE) - 1, entries=10))
    upload(posting, ONE)
    with pytest.raises(BodyTooLarge, match=f"MAX_MANIFEST, {len(ONE) - 1} bytes"):
        posting.service.create(ANYONE, "a", notice())
    assert carts(posting) == 0


def test_the_same_post_again_is_no_new_work(posting: Posting) -> None:
    token = upload(posting, ONE)
    posting.service.create(ANYONE, "a", notice())
    cart = posting.carts.find("", "a")
    for again in (notice(), notice(token)):
        posting.service.create(ANYONE, "a", again)
        assert posting.carts.find("", "a") == cart
    read(posting, cart, token)
    posting.service.create(ANYONE, "a", notice(token))
    assert posting.carts.find("", "a").id == cart.id
    assert len(posting.queue.sent) == 1


def test_the_same_content_uploaded_again_is_the_same_cart(posting: Posting) -> None:
    first = upload(posting, ONE)
    posting.service.create(ANYONE, "a", notice(first))
    cart = posting.carts.find("", "a")
    copy = upload(posting, ONE)
    for _ in range(2):
        posting.service.create(ANYONE, "a", notice(copy))
        assert posting.carts.find("", "a") == cart
    assert posting.uploads.tokens_of_cart(cart.id) != [copy]
    assert copy in posting.uploads.tokens_of_cart(cart.id), "it goes with the cart's"
    assert [unread.token for unread in posting.uploads.unread(cart.id)] == [copy, first]
    read(posting, cart, first)
    late = upload(posting, ONE)
    posting.service.create(ANYONE, "a", notice(late))
    assert posting.uploads.unread(cart.id) == [], "nobody needs to read it"
    assert late in posting.uploads.tokens_of_cart(cart.id)


def test_other_content_under_a_new_url_replaces_the_cart(posting: Posting) -> None:
    old = upload(posting, ONE)
    posting.service.create(ANYONE, "a", notice())
    cart = posting.carts.find("", "a")
    upload(posting, TWO)
    assert etag_after(posting, notice()) == etag_of(TWO)
    assert posting.carts.find("", "a").id != cart.id
    assert posting.uploads.unread(cart.id) == []
    refused(posting, notice(old), "the cart made from this upload has ended")


def test_what_was_overwritten_after_it_was_posted_is_refused(posting: Posting) -> None:
    token = upload(posting, ONE)
    posting.service.create(ANYONE, "a", notice())
    cart = posting.carts.find("", "a")
    put(posting, token, TWO)
    for again in (notice(), notice(token)):
        refused(posting, again, "the upload has changed since it was posted; ask POST /a/manifest for a new URL")
    assert posting.carts.find("", "a") == cart


@pytest.mark.parametrize("end", ["fail", "delete", "replace"])
def test_the_upload_of_a_cart_that_ended_is_not_bound_again(posting: Posting, end: str) -> None:
    token = upload(posting, ONE)
    posting.service.create(ANYONE, "a", notice())
    cart = posting.carts.find("", "a")
    ends: dict[str, Callable[[], Any]] = {
        "fail": lambda: posting.database.transaction(lambda: posting.endings.fail(cart.id, "broken")),
        "delete": lambda: posting.service.delete(ANYONE, "a"),
        "replace": lambda: posting.post("a", "other"),
    }
    ends[end]()
    before = carts(posting)
    for gone in (False, True):
        if gone:
            posting.manifests.delete([upload_key(token)])
        refused(posting, notice(token), "has ended; ask POST /a/manifest for a new URL, upload the manifest there")
    assert carts(posting) == before


def test_a_deleted_cart_does_not_come_back_from_an_upload_of_before(posting: Posting) -> None:
    posting.post("a", 1)
    token = upload(posting, ONE)
    posting.service.delete(ANYONE, "a")
    for again in (notice(), notice(token)):
        refused(posting, again, "this upload was discarded")


def test_deleting_a_cart_leaves_other_uploads_alone(posting: Posting) -> None:
    posting.post("a", 1)
    other = upload(posting, ONE, uid="b")
    posting.service.delete(ANYONE, "a")
    posting.service.create(ANYONE, "b", notice(other))
    assert posting.carts.find("", "b").uploaded == 1


def test_an_upload_put_before_a_posted_body_can_still_be_bound(posting: Posting) -> None:
    token = upload(posting, ONE)
    posting.post("a", 7)
    assert etag_after(posting, notice(token)) == etag_of(ONE)


def test_options_in_the_post_are_part_of_the_manifest(posting: Posting) -> None:
    upload(posting, ONE)
    posting.service.create(ANYONE, "a", notice(root="top", sums="sha256"))
    cart = posting.carts.find("", "a")
    assert (cart.root, cart.names, cart.sums) == ("top", "", "sha256")
    upload(posting, ONE)
    posting.service.create(ANYONE, "a", notice(root="top", sums="sha256"))
    assert posting.carts.find("", "a") == cart
    token = upload(posting, ONE)
    posting.service.create(ANYONE, "a", notice(root="other", sums="sha256"))
    assert posting.carts.find("", "a").id != cart.id
    refused(posting, notice(token), "posted with other options")


def test_one_upload_bound_by_many_at_once_makes_one_cart(posting: Posting) -> None:
    upload(posting, ONE)
    at_once([lambda: posting.service.create(ANYONE, "a", notice())] * 8)
    assert carts(posting) == 1
    assert len(posting.queue.sent) == 1


def test_one_upload_bound_by_many_that_replace_a_cart_makes_one_cart(posting: Posting) -> None:
    posting.post("a", "before")
    upload(posting, ONE)
    at_once([lambda: posting.service.create(ANYONE, "a", notice())] * 8)
    assert carts(posting) == 2
    assert len(posting.uploads.unread(posting.carts.find("", "a").id)) == 1


def test_copies_bound_at_once_make_one_cart(posting: Posting) -> None:
    tokens = [upload(posting, ONE) for _ in range(6)]
    at_once([lambda token=token: posting.service.create(ANYONE, "a", notice(token)) for token in tokens])  # type: ignore[misc]
    assert carts(posting) == 1
    assert sorted(posting.uploads.tokens_of_cart(posting.carts.find("", "a").id)) == sorted(tokens)


def test_a_cart_the_previous_release_made_from_an_upload_is_no_new_work(posting: Posting) -> None:
    posting.post("a", 1)
    with posting.database.session() as db:
        Carts.update(digest=f"upload-{etag_of(ONE)}").execute(db)
    cart = posting.carts.find("", "a")
    posting.service.create(ANYONE, "a", notice())
    assert posting.carts.find("", "a") == cart
    posting.service.create(ANYONE, "a", notice(upload(posting, ONE)))
    assert posting.carts.find("", "a") == cart, "the same content"
    upload(posting, TWO)
    assert etag_after(posting, notice()) == etag_of(TWO)


def upload(posting: Posting, content: bytes, uid: str = "a", owner: str = "") -> str:
    """Upload a manifest for a cart; the upload's name."""
    token = posting.service.manifest_upload(caller(owner), uid).upload
    put(posting, token, content)
    return token


def put(posting: Posting, token: str, content: bytes) -> None:
    posting.manifests.objects[upload_key(token)] = content


def read(posting: Posting, cart: Cart, token: str) -> None:
    """What a worker does with the upload at the end."""
    posting.database.transaction(lambda: posting.uploads.close_of_cart(cart.id))
    posting.manifests.delete([upload_key(token)])


def notice(token: str = "", **options: str) -> bytes:
    named = {"upload": token} if token else {}
    return json.dumps({"manifest": "uploaded", **named, **options}).encode()


def etag_after(posting: Posting, body: bytes) -> str:
    """The ETag that the live cart is made from after this POST."""
    posting.service.create(ANYONE, "a", body)
    [unread] = posting.uploads.unread(posting.carts.find("", "a").id)
    return unread.etag


def refused(posting: Posting, body: bytes, reason: str) -> str:
    with pytest.raises(InvalidManifest) as caught:
        posting.service.create(ANYONE, "a", body)
    assert reason in caught.value.message
    return caught.value.message


def carts(posting: Posting) -> int:
    """How many carts there have been."""
    with posting.database.session() as db:
        assert Uploads.select().where(Uploads.cart_id != 0, Uploads.etag == "").count(db) == 0
        return int(Carts.select().count(db))


def at_once(calls: list[Callable[[], Any]]) -> None:
    """Run these at the same time, each in a thread; none may raise."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> None:
        barrier.wait()
        call()

    with ThreadPoolExecutor(len(calls)) as pool:
        list(pool.map(run, calls))
