"""The option `notify` over HTTP, and the keys that receivers fetch."""

from __future__ import annotations

import pytest

from tests.integration.api.conftest import Carter, new_uid
from tests.integration.api.transports import Transport


def test_what_is_wrong_with_notify_is_400_at_its_place_and_makes_nothing(call: Transport, carts: Carter) -> None:
    before, uid = carts.count(), new_uid()
    hook = b'{"fileids": [{"id": 1, "path": "a"}], "notify": {"webhook": "http://169.254.169.254/", "mail": "x"}}'
    answer = call("POST", f"/{uid}", hook)
    assert answer.status == 400
    assert "notify.mail: must be true" in answer.json()["message"]
    metadata = b'{"fileids": [{"id": 1, "path": "a"}], "notify": {"webhook": "https://169.254.169.254/"}}'
    answer = call("POST", f"/{uid}", metadata)
    assert (answer.status, answer.json()["message"]) == (400, "notify.webhook: must have a host name, not an address")
    assert carts.count() == before


@pytest.mark.usefixtures("logins")
def test_anybody_may_fetch_the_keys_of_webhooks(call: Transport, carts: Carter) -> None:
    carts.system.notify_keys.publish("a2V5", 60)
    assert call("GET", "/-/notify-keys").json() == {"keys": ["whpk_a2V5"]}
