"""Handlers whose attempts are spans of their carts' traces. Without traces, nothing is put around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.db.states import WaitsFor
from chalicelib.errors import CartNotFound, LeaseLost, PermanentError, PullingPaused, TransientError
from chalicelib.stores.job_row import NO_CART, Job, JobKind
from chalicelib.tracing.spans import Role, TracedCart, Value
from chalicelib.tracing.traces import Doing, Traces
from workers.runtime.job_runner import ContinuationHandler, Handler
from workers.runtime.lease import Lease, WorkerStopping
from workers.runtime.outcomes import Continue, Defer, Outcome, Park
from workers.runtime.waits import waits_of

#: Kinds that work on carts whose trace has ended.
AFTER_THE_END = (JobKind.CLEANUP, JobKind.POLICY)


def traced(handlers: Mapping[str, Handler], traces: Traces) -> Mapping[str, Handler]:
    if not traces.on:
        return handlers
    return {kind: handler if kind in AFTER_THE_END else _around(handler, traces) for kind, handler in handlers.items()}


def _around(handler: Handler, traces: Traces) -> Handler:
    if isinstance(handler, ContinuationHandler):
        return TracedContinuation(handler, traces)
    return TracedHandler(handler, traces)


class TracedHandler:
    def __init__(self, handler: Handler, traces: Traces) -> None:
        self._handler = handler
        self._traces = traces

    def run(self, lease: Lease) -> Outcome:
        return self._traced(lease, lambda: self._handler.run(lease))

    def _traced(self, lease: Lease, work: Callable[[], Outcome]) -> Outcome:
        job = lease.job
        if job.cart_id == NO_CART:
            return work()
        cart = TracedCart(job.cart_id, job.uid, job.request)
        with self._traces.doing(Role.ATTEMPT, job.kind, cart, _attributes(lease)) as attempt:
            attempt.attributes |= _waited(job, attempt.start)
            try:
                outcome = work()
            except Exception as error:
                _note_error(attempt, error)
                raise
            _note(attempt, outcome)
        return outcome


class TracedContinuation(TracedHandler):
    """Around a handler that can continue with what the previous one has loaded."""

    def __init__(self, handler: ContinuationHandler, traces: Traces) -> None:
        super().__init__(handler, traces)
        self._continuation = handler

    def run_with(self, lease: Lease, work: Any) -> Outcome:
        return self._traced(lease, lambda: self._continuation.run_with(lease, work))


def _attributes(lease: Lease) -> dict[str, Value]:
    job = lease.job
    found: dict[str, Value] = {"cart": job.cart_id, "uid": job.uid, "owner": lease.owner, "request": job.request}
    return found | {"job": job.id, "kind": job.kind, "window": job.window, "attempt": job.attempts}


def _waited(job: Job, now: float) -> dict[str, Value]:
    """What it waited for before this attempt, and how long."""
    if not job.waits_for:
        return {}
    since = now if job.waits_since is None else min(job.waits_since, now)
    return {"waited_for": job.waits_for, "waited_seconds": round(now - since, 1)}


def _note(attempt: Doing, outcome: Outcome) -> None:
    if isinstance(outcome, Defer | Park):
        _defer(attempt, outcome.waits_for, outcome.reason)
    else:
        attempt.attributes["outcome"] = "continued" if isinstance(outcome, Continue) else "done"


def _defer(attempt: Doing, waits_for: WaitsFor, reason: str) -> None:
    attempt.attributes |= {"outcome": "deferred", "waits_for": str(waits_for), "reason": reason}


def _note_error(attempt: Doing, error: Exception) -> None:
    """The runner acts on these, in this order."""
    if isinstance(error, WorkerStopping | LeaseLost):
        attempt.attributes["outcome"] = "given back" if isinstance(error, WorkerStopping) else "lease lost"
    elif isinstance(error, PullingPaused):
        _defer(attempt, WaitsFor.PAUSE, error.reason)
    elif isinstance(error, TransientError):
        _defer(attempt, waits_of(error), error.message)
    elif isinstance(error, CartNotFound):
        attempt.attributes["outcome"] = "cart gone"
    else:
        attempt.attributes["outcome"] = "failed"
        attempt.failed = error.message if isinstance(error, PermanentError) else f"{type(error).__name__}: {error}"
