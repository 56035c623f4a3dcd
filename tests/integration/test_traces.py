"""A cart is one trace in the collector, from its POST to its end, whichever processes worked on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SentSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from chalicelib.db.database import Database
from chalicelib.endings import CartEndings
from chalicelib.stores.cart_history import CartEvent
from chalicelib.stores.carts import CartStore
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.manifest_row import ManifestRow
from chalicelib.stores.uploads import UploadStore
from chalicelib.tracing.spans import Role, Span
from chalicelib.tracing.traces import Traces
from tests.callers import ANYONE
from tests.integration.collector import Collector, attributes, collector
from tests.integration.conftest import Site
from tests.integration.worker_site import assert_ready, manifest, put_files


@pytest.fixture
def receiver() -> Iterator[Collector]:
    with collector() as found:
        yield found


def trace_of(site: Site, receiver: Collector, uid: str) -> tuple[SentSpan, list[SentSpan]]:
    """The root and the other spans of the site's only cart; its processes have ended when this returns."""
    workers = [worker.system for worker in site.workers]
    site.wait(uid)
    site.stop()
    for system in (*workers, site.system):
        system.traces.close()
    (trace_id,) = {span.trace_id for span in receiver.spans}
    assert trace_id
    (root,) = [span for span in receiver.spans if not span.parent_span_id]
    children = [span for span in receiver.spans if span.parent_span_id]
    assert {span.parent_span_id for span in children} == {root.span_id}
    return root, children


def test_a_cart_is_one_trace_from_its_post_to_ready(site_of: Callable[..., Site], receiver: Collector) -> None:
    site = site_of(OTLP_ENDPOINT=receiver.url)
    files = put_files(site, 3, 64)
    site.system.service.create(ANYONE, "run-7", manifest(files))
    site.start_worker()
    assert_ready(site, "run-7", files)
    cart = site.system.carts.find("", "run-7")
    root, children = trace_of(site, receiver, "run-7")
    assert root.name == "cart"
    told = {"uid": "run-7", "owner": "", "files": 3, "bytes": cart.bundle_size, "state": "ready"}
    assert attributes(root).items() >= told.items()
    assert abs(root.start_time_unix_nano / 1e9 - cart.created_at) < 0.001
    assert abs(root.end_time_unix_nano / 1e9 - (cart.ended_at or 0)) < 0.001
    assert {"POST", "recall", "window"} <= {span.name for span in children}
    for span in children:
        assert root.start_time_unix_nano <= span.start_time_unix_nano
        assert span.start_time_unix_nano <= span.end_time_unix_nano <= root.end_time_unix_nano
    (window,) = [span for span in children if span.name == "window"]
    told = {"uid": "run-7", "kind": "window", "window": 0, "attempt": 1, "outcome": "done"}
    assert attributes(window).items() >= told.items()


def test_a_failed_carts_trace_says_why(site_of: Callable[..., Site], receiver: Collector) -> None:
    site = site_of(OTLP_ENDPOINT=receiver.url)
    files = put_files(site, 1, 64)
    site.system.service.create(ANYONE, "run-8", manifest(files, wrong=files))
    site.start_worker()
    message = site.wait("run-8").message
    root, children = trace_of(site, receiver, "run-8")
    assert (root.status.code, root.status.message) == (Status.STATUS_CODE_ERROR, message)
    assert [span.status.message for span in children if attributes(span).get("outcome") == "failed"] == [message]


class Traced:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.spans: list[Span] = []
        self.traces = Traces(self.spans.append)
        self.carts = CartStore(database, traces=self.traces)
        self.endings = CartEndings(self.carts, JobStore(database, 30), UploadStore(database))

    def post(self, uid: str) -> int:
        def insert() -> int:
            return self.carts.insert("ann", uid, ManifestRow(uid, "d" * 64, 2), "5f3c")

        with self.traces.doing(Role.REQUEST, "POST"):
            return self.database.transaction(insert)

    def told(self) -> list[tuple[str, Any]]:
        return [(span.name, span.attributes.get("state")) for span in self.spans]


@pytest.fixture
def traced(database: Database) -> Traced:
    return Traced(database)


def test_a_cart_deleted_before_its_end_ends_its_trace_then(traced: Traced) -> None:
    cart_id = traced.post("a")
    assert traced.database.transaction(lambda: traced.carts.retire(cart_id, CartEvent.REPLACED))
    assert traced.told() == [("POST", None), ("cart", "replaced")]
    post, root = traced.spans
    assert (post.cart, post.parent, post.start) == (root.cart, root.id, root.start)


def test_a_cart_deleted_after_its_end_has_no_second_root(traced: Traced) -> None:
    cart_id = traced.post("a")
    traced.database.transaction(lambda: traced.endings.fail(cart_id, "the archive has no file 7"))
    traced.database.transaction(lambda: traced.carts.retire(cart_id))
    assert traced.told() == [("POST", None), ("cart", "error")]
    assert traced.spans[-1].failed == "the archive has no file 7"


def test_a_request_that_makes_no_cart_is_in_no_trace(traced: Traced) -> None:
    def insert() -> None:
        traced.carts.insert("ann", "a", ManifestRow("a", "d" * 64, 2))
        raise ValueError

    with pytest.raises(ValueError), traced.traces.doing(Role.REQUEST, "POST"):  # noqa: PT011
        traced.database.transaction(insert)
    assert traced.spans == []
