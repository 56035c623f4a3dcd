"""How long a share lasts, and how many a cart may have."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.sharing import MOST_SHARES
from tests.integration.api.conftest import Carter
from tests.integration.api.test_shares import ANN, share
from tests.integration.api.transports import Transport

pytestmark = pytest.mark.usefixtures("logins")

DAY = 86400  # seconds


@pytest.mark.parametrize(
    ("expires", "seconds"),
    [
        (None, 7 * DAY),
        (3600, 3600),
        (0.5, 0.5),
        (90 * DAY, 90 * DAY),
        ("in a day", DAY),
        ("in a day, elsewhere", DAY),
        ("in a day, without a zone", DAY),
    ],
)
def test_a_share_ends_when_its_owner_says(call: Transport, carts: Carter, expires: Any, seconds: float) -> None:
    now = datetime.now(UTC)
    zones: dict[Any, str] = {
        "in a day": (now + timedelta(days=1)).isoformat(),
        "in a day, elsewhere": (now + timedelta(days=1, hours=5)).replace(tzinfo=None).isoformat() + "+05:00",
        "in a day, without a zone": (now + timedelta(days=1)).replace(tzinfo=None).isoformat(),
    }
    made = share(call, carts.of("ann").ready(), expires=zones.get(expires, expires))
    lives = datetime.fromisoformat(made["expires"]) - now
    assert lives.total_seconds() == pytest.approx(seconds, abs=30)


@pytest.mark.parametrize("expires", [0, -1, 90 * DAY + 60, 1e300, "2001-01-01", "2999-01-01T00:00:00Z", "0001-01-01"])
def test_an_end_in_the_past_or_too_late_is_400(call: Transport, carts: Carter, expires: Any) -> None:
    body = json.dumps({"with": "ben", "expires": expires}).encode()
    answer = call("POST", f"/{carts.of('ann').ready()}/shares", body, **ANN)
    assert (answer.status, answer.json()["message"]) == (400, "expires: must be in the future, within 90 days")


def test_a_cart_has_a_bounded_number_of_shares_however_many_ask_at_once(over_http: Transport, carts: Carter) -> None:
    uid = carts.of("ann").ready()
    first = [share(over_http, uid)["id"] for _ in range(MOST_SHARES - 5)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: over_http("POST", f"/{uid}/shares", b'{"with": "b"}', **ANN), range(16)))
    assert sorted(answer.status for answer in answers) == [201] * 5 + [403] * 11
    [message] = {answer.json()["message"] for answer in answers if answer.status == 403}
    assert "100 shares" in message
    over_http("DELETE", f"/{uid}/shares/{first[0]}", **ANN)
    assert over_http("POST", f"/{uid}/shares", b'{"with": "b"}', **ANN).status == 201
