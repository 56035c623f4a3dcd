"""Looks at a queue without taking its messages: its depth, and what is in its dead-letter queue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import botocore.exceptions
import botocore.parsers

from chalicelib.errors import QueueUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

BATCH = 10  # messages per SQS call
HIDDEN = 10  # seconds that a message is hidden from others if it cannot be given back
DEPTH: Any = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Messages that can be received, that a worker has, and that are delayed; SQS counts approximately."""

    visible: int
    in_flight: int
    delayed: int


@dataclass(frozen=True, slots=True)
class SeenMessage:
    """`sent_at`: seconds since the epoch, None if the queue does not say."""

    body: str
    sent_at: float | None


class QueueView:
    """`name`: the queue's name or URL. Raises QueueUnavailable for every fault of the queue."""

    def __init__(self, client: SQSClient, name: str) -> None:
        self._client = client
        self.name = name

    def depth(self) -> QueueDepth:
        with _faults(self.name):
            answer = self._client.get_queue_attributes(QueueUrl=self._url(), AttributeNames=DEPTH)
        return QueueDepth(*(int(answer["Attributes"].get(name, 0)) for name in DEPTH))

    def peek(self, most: int) -> list[SeenMessage]:
        """Up to `most` messages, which others can receive again at once."""
        seen: dict[str, Any] = {}
        with _faults(self.name):
            url = self._url()
            try:
                while len(seen) < most and (batch := self._received(url, most - len(seen))):
                    seen |= {raw["MessageId"]: raw for raw in batch}
            finally:
                self._give_back(url, [raw["ReceiptHandle"] for raw in seen.values()])
        return [SeenMessage(raw["Body"], _sent_at(raw)) for raw in seen.values()]

    def try_to_read(self) -> None:
        """Receive, so that a login that may not is found; a message that comes is visible again at once."""
        with _faults(self.name):
            self._client.receive_message(
                QueueUrl=self._url(), MaxNumberOfMessages=1, WaitTimeSeconds=0, VisibilityTimeout=0
            )

    def _received(self, url: str, most: int) -> Sequence[Any]:
        answer = self._client.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=min(most, BATCH),
            WaitTimeSeconds=0,
            VisibilityTimeout=HIDDEN,
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        return answer.get("Messages", [])

    def _give_back(self, url: str, receipts: Sequence[str]) -> None:
        """Those that cannot be given back are visible again after HIDDEN seconds."""
        for start in range(0, len(receipts), BATCH):
            entries: Any = [
                {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                for number, receipt in enumerate(receipts[start : start + BATCH])
            ]
            with suppress(botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
                self._client.change_message_visibility_batch(QueueUrl=url, Entries=entries)

    def _url(self) -> str:
        return self.name if "://" in self.name else self._client.get_queue_url(QueueName=self.name)["QueueUrl"]


def _sent_at(raw: Any) -> float | None:
    sent = raw.get("Attributes", {}).get("SentTimestamp")
    return int(sent) / 1000 if sent else None


@contextmanager
def _faults(name: str) -> Iterator[None]:
    try:
        yield
    except botocore.exceptions.ClientError as error:
        raise QueueUnavailable(f"The queue {name} refused: {error.response.get('Error', {}).get('Code')}") from error
    except (botocore.exceptions.BotoCoreError, botocore.parsers.ResponseParserError) as error:
        raise QueueUnavailable(f"The queue {name} did not answer: {error}") from error
