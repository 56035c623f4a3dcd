"""Responses of `/-/readyz` and `/-/metrics`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chalice.app import Response

from chalicelib.api import responses
from chalicelib.health.readiness import Answered
from chalicelib.metrics.sample import Sample


def readiness(answers: Mapping[str, Answered]) -> Response:
    wrong = [answered.wrong for answered in answers.values() if answered.wrong]
    checks = {name: _shown(answered) for name, answered in answers.items()}
    if not wrong:
        return responses.document(200, {"status": "ok", "checks": checks})
    response = responses.document(503, {"status": "error", "message": " ".join(wrong), "checks": checks})
    response.headers = {**response.headers, "Retry-After": responses.RETRY_AFTER}
    return response


def metrics(samples: Callable[[], Iterable[Sample]]) -> Response:
    from chalicelib.metrics import exposition  # late: it takes 25 ms of a Lambda's cold start

    headers: responses.Headers = {"Content-Type": exposition.CONTENT_TYPE, "Cache-Control": "no-store"}
    return Response(exposition.text(exposition.registry(None, samples)), status_code=200, headers=headers)


def _shown(answered: Answered) -> dict[str, Any]:
    milliseconds = None if answered.milliseconds is None else round(answered.milliseconds, 1)
    return {"status": "failed" if answered.wrong else "ok", "milliseconds": milliseconds}
