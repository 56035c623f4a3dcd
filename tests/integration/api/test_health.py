"""`/-/readyz` and `/-/metrics` over every transport."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.api.conftest import Carter
from tests.integration.api.transports import Transport

ADMIN = "ops admin"


def test_the_service_is_ready_with_the_latency_of_each_dependency(call: Transport) -> None:
    answer = call("GET", "/-/readyz")
    assert answer.status == 200, answer.body
    found = answer.json()
    assert found["status"] == "ok"
    assert {name: check["status"] for name, check in found["checks"].items()} == {
        "database": "ok",
        "queue": "ok",
        "store": "ok",
    }


def test_a_store_that_is_gone_is_named_and_no_more_is_said(configured: Callable[..., Transport]) -> None:
    answer = configured(BUNDLE_BUCKET="no-such-bucket")("GET", "/-/readyz")
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    found = answer.json()
    assert (found["status"], found["message"]) == ("error", "The store failed; the log says why.")
    assert [name for name, check in found["checks"].items() if check["status"] == "failed"] == ["store"]
    assert b"no-such-bucket" not in answer.body


def test_without_logins_nobody_reads_metrics_here(call: Transport) -> None:
    answer = call("GET", "/-/metrics")
    assert answer.status == 403
    assert "admin" in answer.json()["message"]


def test_an_administrator_reads_the_figures_as_prometheus_does(call: Transport, logins: None, carts: Carter) -> None:
    carts.waiting()
    assert call("GET", "/-/metrics").status == 401
    answer = call("GET", "/-/metrics", authorization=ADMIN)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.body.decode())}
    waiting = [s.value for s in families["pacifica_cart_carts"].samples if s.labels == {"state": "waiting"}]
    assert waiting[0] >= 1
    assert families["pacifica_cart_queue_up"].samples[0].value == 1


@pytest.mark.parametrize("path", ["/-/readyz", "/-/metrics"])
def test_a_cart_may_be_called_so(call: Transport, path: str) -> None:
    assert call("HEAD", f"/{path.rpartition('/')[2]}").status in (202, 404)
