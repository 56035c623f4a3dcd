"""Sends spans to a collector in batches, by OTLP over HTTP. Imported only if there is one: it needs OpenTelemetry.

Spans are handed to a bounded queue, which a thread of OpenTelemetry's empties. While the collector does not take them,
the newest wait there, the oldest are dropped, and the log says so once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from chalicelib.config.redaction import redacted_value
from chalicelib.tracing.spans import Role, Span

KINDS = {Role.ROOT: SpanKind.INTERNAL, Role.REQUEST: SpanKind.SERVER, Role.ATTEMPT: SpanKind.CONSUMER}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CollectorPolicy:
    """`queued` spans wait at most, `batch` are sent at once, after `delay` seconds if they are fewer.

    The collector has `timeout` seconds to take a batch, and a process that ends waits `closing` seconds for the last.
    """

    queued: int = 4096
    batch: int = 512
    delay: float = 1.0
    timeout: float = 5.0
    closing: float = 1.0


class Collector:
    """Thread-safe; it goes on in the child of a fork."""

    def __init__(self, url: str, process: str, revision: str, policy: CollectorPolicy | None = None) -> None:
        """`url`: as OTLP_ENDPOINT, with a slash at its end. `process`: the name of this process."""
        self._policy = policy = policy or CollectorPolicy()
        if not log.isEnabledFor(logging.DEBUG):
            logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it repeats itself for each batch
        exporter = _Telling(OTLPSpanExporter(f"{url}v1/traces", timeout=policy.timeout), url)
        self._batches = BatchSpanProcessor(
            exporter,
            max_queue_size=policy.queued,
            schedule_delay_millis=policy.delay * 1000,
            max_export_batch_size=policy.batch,
        )
        names = {"service.name": "pacifica-cart", "service.instance.id": process, "service.version": revision}
        self._resource = Resource.create(names)
        self._scope = InstrumentationScope("chalicelib.tracing")

    def add(self, span: Span) -> None:
        """Queue a span. It waits for nothing."""
        self._batches.on_end(
            ReadableSpan(
                name=span.name,
                context=_context(span.cart.trace_id, span.id),
                parent=None if span.parent is None else _context(span.cart.trace_id, span.parent),
                resource=self._resource,
                attributes={name: redacted_value(name, value) for name, value in span.attributes.items()},
                kind=KINDS[span.role],
                status=Status(StatusCode.ERROR, redacted_value("", span.failed)) if span.failed else Status(),
                start_time=_nanoseconds(span.start),
                end_time=_nanoseconds(span.end),
                instrumentation_scope=self._scope,
            )
        )

    def close(self) -> None:
        """Send what is queued, for a moment; what the collector has not taken then is lost."""
        closing = threading.Thread(target=self._batches.shutdown, name="close-traces", daemon=True)
        closing.start()
        closing.join(self._policy.closing)


class _Telling(SpanExporter):
    """Says in the log that the collector does not take spans, and that it does again."""

    def __init__(self, exporter: SpanExporter, url: str) -> None:
        self._exporter = exporter
        self._url = url
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        self._tell(failing=result is not SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def _tell(self, *, failing: bool) -> None:
        if failing and not self._failing:
            log.warning(
                "OTLP_ENDPOINT: the collector at %s does not take spans; traces have gaps until it does, and nothing "
                "else waits for it. LOG_LEVEL=DEBUG logs why.",
                self._url,
            )
        elif self._failing and not failing:
            log.info("the collector at %s takes spans again", self._url)
        self._failing = failing


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e6) * 1000  # a float of this size has no finer digits
