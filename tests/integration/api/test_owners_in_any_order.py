"""Three owners use the same two uids in any order: each sees exactly what a model of its own carts says."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from chalicelib.api.wsgi_adapter import Application
from tests.integration.api.conftest import Carter, new_uid
from tests.integration.api.transports import OverWSGI

pytestmark = pytest.mark.usefixtures("logins")

OWNERS, UIDS, FILES = st.sampled_from(["a", "b", "c"]), st.sampled_from(["one", "two"]), st.sampled_from(["x", "y"])


class Owners(RuleBasedStateMachine):
    """`carts`: owner and uid -> the file of its cart. `shares`: address -> recipient, and the cart it belongs to."""

    call: OverWSGI

    def __init__(self) -> None:
        super().__init__()
        self.run = new_uid()
        self.carts: dict[tuple[str, str], tuple[str, int]] = {}
        self.shares: dict[str, tuple[str, tuple[str, str], int]] = {}
        self.posts = 0

    def login(self, owner: str) -> str:
        return f"{owner}-{self.run}"

    @rule(owner=OWNERS, uid=UIDS, file=FILES)
    def post(self, owner: str, uid: str, file: str) -> None:
        body = json.dumps({"fileids": [{"id": file, "path": f"{owner}/{file}"}]}).encode()
        assert self.call("POST", f"/{uid}", body, authorization=self.login(owner)).status == 201
        if self.carts.get((owner, uid), ("", 0))[0] != file:
            self.posts += 1
            self.carts[owner, uid] = (file, self.posts)

    @rule(owner=OWNERS, uid=UIDS)
    def delete(self, owner: str, uid: str) -> None:
        answer = self.call("DELETE", f"/{uid}", authorization=self.login(owner))
        assert answer.status == (200 if self.carts.pop((owner, uid), None) else 404)

    @rule(owner=OWNERS, uid=UIDS, recipient=OWNERS)
    def share(self, owner: str, uid: str, recipient: str) -> None:
        body = json.dumps({"with": self.login(recipient)}).encode()
        answer = self.call("POST", f"/{uid}/shares", body, authorization=self.login(owner))
        assert answer.status == (201 if (owner, uid) in self.carts else 404)
        if answer.status == 201:
            self.shares[answer.json()["address"]] = (recipient, (owner, uid), self.carts[owner, uid][1])

    @rule(owner=OWNERS)
    def list(self, owner: str) -> None:
        listed = self.call("GET", "/-/carts", authorization=self.login(owner)).json()["carts"]
        assert sorted(cart["uid"] for cart in listed) == sorted(uid for name, uid in self.carts if name == owner)

    @invariant()
    def each_sees_its_own(self) -> None:
        for owner in ("a", "b", "c"):
            for uid in ("one", "two"):
                answer = self.call("GET", f"/{uid}/files", authorization=self.login(owner))
                own = self.carts.get((owner, uid))
                assert answer.status == (200 if own else 404)
                if own:
                    assert [file["path"] for file in answer.json()["files"]] == [f"{owner}/{own[0]}"]

    @invariant()
    def shares_are_read_by_their_recipients_while_their_cart_is_there(self) -> None:
        for address, (recipient, cart, post) in self.shares.items():
            live = self.carts.get(cart, ("", 0))[1] == post
            for owner in ("a", "b", "c"):
                status = self.call("HEAD", address, authorization=self.login(owner)).status
                assert status == (202 if live and owner == recipient else 404)


def test_owners_in_any_order_see_their_own(application: Application, carts: Carter) -> None:
    class OverThisApplication(Owners):
        call = OverWSGI(application)

    quick = settings(max_examples=15, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(OverThisApplication, settings=quick)
