"""Traces: ids that every process derives alike, attempts of jobs, and a collector that does not answer."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from chalicelib.db.states import WaitsFor
from chalicelib.errors import ArchiveUnavailable, CartNotFound, LeaseLost, PermanentError, PullingPaused
from chalicelib.stores.job_row import NO_CART, Job, JobKind
from chalicelib.tracing.collector import Collector, CollectorPolicy
from chalicelib.tracing.spans import Role, Span, TracedCart
from chalicelib.tracing.traces import Traces
from tests.integration.collector import collector
from workers.runtime.job_runner import ContinuationHandler, Handler
from workers.runtime.lease import Lease, WorkerStopping
from workers.runtime.outcomes import Continue, Defer, Done, Outcome
from workers.runtime.traced_handlers import traced

CART = TracedCart(7, "run-7", "5f3c")
WARNED = "does not take spans"
OFF = """
import json, sys
from pathlib import Path
import app, asgi, wsgi, chalicelib.sweeper, workers.__main__, chalicelib.admin.command
from chalicelib.config.settings import load
from chalicelib.errors import SettingsError
from chalicelib.tracing.configured import traces_of
from chalicelib.wiring import build
from workers.wiring import assemble

folder = sys.argv[1]
settings = {"SQLITE_PATH": f"{folder}/db", "VOLUME_PATH": folder, "BUNDLE_BUCKET": "b", "JOB_QUEUE": "q"}
worker = assemble(build(load(settings, worker=True)))
worker.archive.close()
found = [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]
in_lambda = traces_of(load(settings | {"OTLP_ENDPOINT": "c:4318", "AWS_LAMBDA_FUNCTION_NAME": "api"}), "api").on
sys.modules["opentelemetry"] = None
try:
    traces_of(load(settings | {"OTLP_ENDPOINT": "c:4318"}), "api")
except SettingsError as error:
    print(json.dumps([found, in_lambda, error.problems]))
"""


def span(number: int) -> Span:
    return Span(CART, Role.ATTEMPT, f"window {number}", 1.0, 2.0)


def test_the_ids_follow_from_the_cart_and_are_the_same_in_each_release() -> None:
    assert f"{CART.trace_id:032x}" == "b7596ab83d3e49d5dd186b4a11dd5897"
    assert f"{CART.root_id:016x}" == "5ca40c7a7eaeae18"
    others = [TracedCart(8, "run-7", "5f3c"), TracedCart(7, "run-8", "5f3c"), TracedCart(7, "run-7", "5f3d")]
    assert len({cart.trace_id for cart in [CART, *others]}) == 4


def test_off_nothing_of_opentelemetry_is_imported_and_on_it_must_be_there(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OFF, str(tmp_path)]
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=keys)
    assert done.returncode == 0, done.stderr
    imported, in_lambda, (problem,) = json.loads(done.stdout)
    assert (imported, in_lambda) == ([], False)
    assert problem.startswith("OTLP_ENDPOINT: ")
    assert "pip install -r requirements-tracing.txt" in problem


def test_a_collector_that_hangs_holds_up_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The request is answered only when the test is over, long before it would time out."""
    with collector(hangs=True) as hung:
        policy = CollectorPolicy(queued=8, batch=4, delay=0.001, timeout=30, closing=0.01)
        sending = Collector(hung.url, "worker-1", "r1", policy)
        sending.add(span(0))
        assert hung.asked.wait(10)
        for number in range(100):  # far more than the queue holds
            sending.add(span(number))
        sending.close()
        assert [thread for thread in threading.enumerate() if thread.name == "close-traces"]
        assert hung.spans == []


def test_a_collector_that_is_down_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with collector() as there:
        url = there.url
    sending = Collector(url, "worker-1", "r1", CollectorPolicy(batch=1, delay=0.001, timeout=0.05, closing=10))
    with caplog.at_level(logging.INFO):
        for number in range(3):
            sending.add(span(number))
        sending.close()
    (line,) = [record for record in caplog.records if record.name.startswith(("chalicelib", "opentelemetry"))]
    assert WARNED in line.getMessage()
    assert url in line.getMessage()


class Scripted:
    """A handler that returns or raises this."""

    def __init__(self, outcome: Outcome | Exception) -> None:
        self._outcome = outcome

    def run(self, lease: Lease) -> Outcome:
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


class Continuing(Scripted):
    def run_with(self, lease: Lease, work: Any) -> Outcome:
        return Done()


def attempted(handler: Any, kind: str = JobKind.WINDOW, cart_id: int = 7) -> tuple[list[Span], Any]:
    """The spans of one attempt, and what it raised."""
    spans: list[Span] = []
    job = Job(1, cart_id, kind, 3, 2, 5, 0.0, "", "ann", 0, "space", 10.0, "5f3c", "run-7")
    (around,) = traced({kind: handler}, Traces(spans.append)).values()
    try:
        around.run(Lease(job, "receipt", threading.Event()))
    except Exception as error:
        return spans, error
    return spans, None


@pytest.mark.parametrize(
    ("outcome", "told", "failed"),
    [
        (Done(), {"outcome": "done"}, ""),
        (Continue(JobKind.WINDOW), {"outcome": "continued"}, ""),
        (Defer(5, WaitsFor.TAPE, "2 files"), {"outcome": "deferred", "waits_for": "tape", "reason": "2 files"}, ""),
        (ArchiveUnavailable("It is down."), {"outcome": "deferred", "waits_for": "archive"}, ""),
        (PullingPaused("repair"), {"outcome": "deferred", "waits_for": "pause"}, ""),
        (LeaseLost(), {"outcome": "lease lost"}, ""),
        (WorkerStopping(), {"outcome": "given back"}, ""),
        (CartNotFound(), {"outcome": "cart gone"}, ""),
        (PermanentError("No file 7."), {"outcome": "failed"}, "No file 7."),
        (KeyError("x"), {"outcome": "failed"}, "KeyError: 'x'"),
    ],
)
def test_an_attempt_is_a_span_with_its_outcome(outcome: Outcome | Exception, told: dict[str, str], failed: str) -> None:
    (one,), error = attempted(Scripted(outcome))
    assert error is (outcome if isinstance(outcome, Exception) else None)
    assert (one.name, one.cart, one.parent, one.failed) == ("window", CART, CART.root_id, failed)
    assert one.attributes["waited_seconds"] == round(one.start - 10.0, 1)
    job = {"uid": "run-7", "owner": "ann", "job": 1, "kind": "window", "window": 3, "attempt": 2, "waited_for": "space"}
    assert one.attributes.items() >= {**job, **told}.items()


def test_housekeeping_and_what_follows_a_carts_end_are_in_no_trace() -> None:
    assert attempted(Scripted(Done()), JobKind.RECONCILE, NO_CART) == ([], None)
    assert attempted(Scripted(Done()), JobKind.CLEANUP) == ([], None)


def test_an_attempt_that_ends_its_cart_ends_with_it_and_not_after() -> None:
    spans: list[Span] = []
    times = iter([100.0, 103.0])
    traces = Traces(spans.append, clock=lambda: next(times))
    with traces.doing(Role.ATTEMPT, "window", CART):
        traces.ended(CART, 90.0, 102.0)
    root, window = spans
    assert (root.start, root.end, root.parent) == (90.0, 102.0, None)
    assert (window.start, window.end) == (100.0, 102.0)


def test_spans_that_cannot_be_sent_fail_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def send(span: Span) -> None:
        raise RuntimeError("no thread")

    with Traces(send).doing(Role.ATTEMPT, "window", CART):
        pass
    assert "a span of cart 7 is lost: no thread" in caplog.text


def test_a_handler_that_can_continue_still_can() -> None:
    around = traced({"window": Continuing(Done()), "recall": Scripted(Done())}, Traces(lambda span: None))
    assert [isinstance(handler, ContinuationHandler) for handler in around.values()] == [True, False]


def test_without_traces_handlers_are_what_they_were() -> None:
    handlers: dict[str, Handler] = {JobKind.WINDOW: Continuing(Done())}
    assert traced(handlers, Traces()) is handlers
