"""A worker asks who may have a file before it uses it for a cart, also one that is staged for somebody else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest
import requests

from chalicelib.caller import Caller
from chalicelib.db.models import Carts, Jobs
from chalicelib.errors import NotAllowed, PolicyUnavailable
from chalicelib.policy.asking import IN_REQUEST
from chalicelib.stores.cart_row import UNFINISHED, Cart
from tests.callers import ANYONE, caller
from tests.integration.conftest import Site
from tests.integration.worker_site import assert_ready, gets, manifest, manifest_without_hashes, put_files, rows, until
from tests.policy_server import PolicyServer, policy_server

ANN, BOB = caller("ann", groups=("staff",)), caller("bob")


@pytest.fixture
def server() -> Iterator[PolicyServer]:
    with policy_server() as running:
        yield running


@pytest.fixture
def guarded(site_of: Callable[..., Site], server: PolicyServer) -> Site:
    return site_of(POLICY_URL=server.url, POLICY_TTL="0.1")


def ended(site: Site, who: Caller, uid: str) -> Cart:
    until(lambda: site.system.service.find(who, uid).state not in UNFINISHED, 30)
    return site.system.service.find(who, uid)


def test_a_cart_whose_files_are_allowed_is_made_and_downloaded(guarded: Site, server: PolicyServer) -> None:
    files = put_files(guarded, 3, 64)
    guarded.start_worker()
    guarded.system.service.create(ANYONE, "c", manifest(files))
    assert_ready(guarded, "c", files)
    assert guarded.system.service.download(ANYONE, "c", None)[1] is not None
    assert {question["owner"] for question in server.questions} == {""}


def test_a_right_that_is_taken_away_after_the_post_ends_the_cart_by_places(guarded: Site, server: PolicyServer) -> None:
    files = put_files(guarded, 3, 64)
    guarded.system.service.create(ANN, "c", manifest(files))
    server.refused = {"f1"}
    guarded.start_worker()
    cart = ended(guarded, ANN, "c")
    assert (cart.state, cart.message) == ("error", "The cart's owner may not read fileids[1].")
    assert (gets(guarded), guarded.stored()) == (0, [])
    assert server.questions[-1]["groups"] == ["staff"]


def test_a_right_that_is_taken_away_between_look_up_and_pull_ends_it_too(guarded: Site, server: PolicyServer) -> None:
    files = put_files(guarded, 3, 64)
    guarded.system.service.create(ANN, "c", manifest(files))

    def until_looked_up(question: dict[str, list[str]]) -> tuple[int, bytes]:
        allowed = question["ids"] if len(server.questions) <= 2 else ["f0"]
        return 200, json.dumps({"allowed": allowed}).encode()

    server.misbehave = until_looked_up
    guarded.start_worker()
    cart = ended(guarded, ANN, "c")
    assert (cart.state, cart.message) == ("error", "The cart's owner may not read fileids[1], fileids[2].")
    assert (gets(guarded), guarded.stored()) == (0, [])


def test_a_file_staged_for_another_owner_is_not_bundled_for_one_who_may_not_read_it(
    guarded: Site, server: PolicyServer
) -> None:
    files = put_files(guarded, 3, 64)
    guarded.system.service.create(ANN, "c", manifest(files))
    guarded.system.service.create(BOB, "c", manifest(files))
    server.refused_to = {"bob": {"f2"}}
    guarded.start_worker()
    assert ended(guarded, ANN, "c").state == "ready"
    cart = ended(guarded, BOB, "c")
    assert (cart.state, cart.message) == ("error", "The cart's owner may not read fileids[2].")
    assert len(guarded.stored()) == 1


def test_a_cart_waits_while_nobody_answers(guarded: Site, server: PolicyServer) -> None:
    files = put_files(guarded, 2, 64)
    guarded.system.service.create(ANYONE, "c", manifest(files))
    server.misbehave = lambda question: (200, b"<html>")
    guarded.start_worker()
    until(lambda: len(server.questions) > 2, 20)
    assert (guarded.system.service.find(ANYONE, "c").state, gets(guarded)) == ("waiting", 0)
    server.misbehave = None
    assert_ready(guarded, "c", files)


def test_an_uploaded_manifest_is_asked_about_by_the_worker_that_reads_it(guarded: Site, server: PolicyServer) -> None:
    files = put_files(guarded, 2, 64)
    slot = guarded.system.service.manifest_upload(ANN, "c")
    assert requests.put(slot.url, data=manifest(files), timeout=10).status_code == 200
    server.refused = {"f0"}
    guarded.system.service.create(ANN, "c", json.dumps({"manifest": "uploaded", "upload": slot.upload}).encode())
    assert server.questions == []
    guarded.start_worker()
    assert ended(guarded, ANN, "c").message == "The cart's owner may not read fileids[0]."


def test_a_large_cart_is_asked_about_by_a_worker_and_then_handed_out(guarded: Site, server: PolicyServer) -> None:
    names = [f"gen-1-{number}" for number in range(IN_REQUEST + 1)]
    guarded.system.service.create(ANN, "c", manifest_without_hashes(names))
    with guarded.system.database.session() as db:
        Carts.update(state="ready", allowed_at=time.time() - 400).execute(db)
        Jobs.delete().execute(db)  # a ready cart has none
    with pytest.raises(PolicyUnavailable):
        guarded.system.service.download(ANN, "c", None)
    guarded.start_worker()

    def answered() -> bool:
        return bool(rows(guarded, Carts.policy_asked_at)[0][0] is None)

    until(answered, 30)
    assert guarded.system.service.download(ANN, "c", None)[1] is not None
    server.refused = {names[-1]}
    with guarded.system.database.session() as db:
        Carts.update(allowed_at=time.time() - 400).execute(db)
    with pytest.raises(PolicyUnavailable):
        guarded.system.service.download(ANN, "c", None)
    until(lambda: rows(guarded, Carts.policy_refusal)[0][0], 30)
    with pytest.raises(NotAllowed, match=r"fileids\[5000\]\."):
        guarded.system.service.download(ANN, "c", None)


def test_a_large_cart_that_is_refused_is_refused_before_the_archive_is_asked(
    guarded: Site, server: PolicyServer
) -> None:
    names = [f"gen-1-{number}" for number in range(IN_REQUEST + 2)]
    guarded.system.service.create(ANN, "c", manifest_without_hashes(names))
    server.refused = {names[4], names[-1]}
    guarded.start_worker()
    assert ended(guarded, ANN, "c").message == "The cart's owner may not read fileids[4] of the first 5000."
    assert guarded.simulator.stats()["totals"].get("heads", 0) == 0
