"""Counts the requests to the archive: how long each took, how it ended, how many bytes it brought."""

from __future__ import annotations

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable
from chalicelib.metrics import definitions as metrics
from chalicelib.metrics.counting import counts
from workers.archive.messages import Answer, Method, is_refusal

FIRST_FAILURE = 300  # redirects are not followed


def count_request(
    method: Method, seconds: float, received: int, answer: Answer | ArchiveRefused | ArchiveUnavailable
) -> None:
    """`received`: bytes of the body."""
    outcome = _outcome(answer)
    counts.observe(metrics.ARCHIVE_REQUEST, seconds, method, outcome)
    if outcome != "ok":
        counts.add(metrics.ARCHIVE_ERRORS, outcome)
    if received:
        counts.add(metrics.PULLED, by=received)


def _outcome(answer: Answer | ArchiveRefused | ArchiveUnavailable) -> str:
    if isinstance(answer, Answer):
        if answer.status < FIRST_FAILURE:
            return "ok"
        return "refused" if is_refusal(answer.status) else "unavailable"
    return "refused" if isinstance(answer, ArchiveRefused) else "unavailable"
