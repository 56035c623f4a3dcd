"""`GET /{uid}/status?history=1`: what happened to a cart, for those who may see the cart."""

from __future__ import annotations

from tests.integration.api.conftest import Carter
from tests.integration.api.test_api_schema import validate
from tests.integration.api.transports import Transport


def test_the_history_has_each_state_with_its_time_and_why_the_cart_failed(call: Transport, carts: Carter) -> None:
    status = call("GET", f"/{carts.error('the archive has no file 7')}/status?history=1").json()
    validate("Status", status)
    assert [(row["event"], row["cause"]) for row in status["history"]] == [
        ("posted", ""),
        ("staging", ""),
        ("error", "the archive has no file 7"),
    ]
    times = [row["at"] for row in status["history"]]
    assert times == sorted(times)
    assert all("process" not in row for row in status["history"]), "names of hosts are for administrators"


def test_only_who_asks_for_the_history_gets_it(call: Transport, carts: Carter) -> None:
    uid = carts.waiting()
    assert "history" not in call("GET", f"/{uid}/status").json()
    assert "history" not in call("GET", f"/{uid}/status?history=0").json()
    assert call("GET", f"/{uid}/status?history=2").status == 400
    assert call("GET", f"/{carts.deleted()}/status?history=1").status == 404
