"""The job queue: a standard SQS queue with a dead-letter queue."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import botocore.exceptions
import botocore.parsers

from chalicelib import job_message
from chalicelib.job_message import JobMessage

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

BATCH = 10  # messages per SQS call
LONGEST_DELAY = 900  # seconds; the limit of SQS
FAULTS = (
    botocore.exceptions.ClientError,
    botocore.exceptions.BotoCoreError,
    botocore.parsers.ResponseParserError,  # a response that is not SQS's, for example from a proxy
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    receipt: str
    body: str
    receives: int


class JobQueue:
    """Sends, receives, hides and deletes messages. `name` is the queue's name or URL. Thread-safe."""

    def __init__(self, client: SQSClient, name: str) -> None:
        self._client = client
        self._name = name
        self._url = name if "://" in name else ""

    def send(self, messages: Sequence[JobMessage], delay: float = 0) -> list[JobMessage]:
        """Send messages, each visible after `delay` seconds.

        Returns those the queue did not take; the sweep sends them again.
        """
        unsent: list[JobMessage] = []
        for start in range(0, len(messages), BATCH):
            try:
                unsent += self._send_batch(messages[start : start + BATCH], delay)
            except FAULTS as error:
                log.warning("not sent, the sweep will: %s", error)
                return [*unsent, *messages[start:]]
        return unsent

    def receive(self, most: int, wait: int, visibility: int) -> list[Message]:
        """Up to `most` messages, waiting up to `wait` seconds; others do not see them for `visibility` seconds."""
        answer = self._client.receive_message(
            QueueUrl=self._queue_url(),
            MaxNumberOfMessages=min(most, BATCH),
            WaitTimeSeconds=wait,
            VisibilityTimeout=visibility,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        return [
            Message(raw["ReceiptHandle"], raw["Body"], int(raw["Attributes"]["ApproximateReceiveCount"]))
            for raw in answer.get("Messages", [])
        ]

    def count_messages(self) -> int:
        """About how many messages the queue has, visible or with a worker, delayed ones not included.

        0 if the queue does not answer: then the sweep sends every job that is due.
        """
        try:
            counts = self._client.get_queue_attributes(
                QueueUrl=self._queue_url(),
                AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
            )["Attributes"]
        except FAULTS as error:
            log.warning("the number of messages in the queue is unknown: %s", error)
            return 0
        return int(counts["ApproximateNumberOfMessages"]) + int(counts["ApproximateNumberOfMessagesNotVisible"])

    def extend(self, receipts: Sequence[str], visibility: int) -> None:
        """Hide received messages for another `visibility` seconds; 0 makes them visible at once."""
        for start in range(0, len(receipts), BATCH):
            entries = [
                {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": visibility}
                for number, receipt in enumerate(receipts[start : start + BATCH])
            ]
            self._client.change_message_visibility_batch(QueueUrl=self._queue_url(), Entries=entries)  # type: ignore[arg-type]

    def delete(self, receipt: str) -> None:
        self._client.delete_message(QueueUrl=self._queue_url(), ReceiptHandle=receipt)

    def _send_batch(self, messages: Sequence[JobMessage], delay: float) -> list[JobMessage]:
        entries = [
            {
                "Id": str(number),
                "MessageBody": job_message.encode(message),
                "MessageGroupId": message.group,
                "DelaySeconds": min(round(delay), LONGEST_DELAY),
            }
            for number, message in enumerate(messages)
        ]
        answer = self._client.send_message_batch(QueueUrl=self._queue_url(), Entries=entries)  # type: ignore[arg-type]
        refused = answer.get("Failed", [])
        for failed in refused:
            log.warning("not sent, the sweep will: %s", failed.get("Message", failed["Code"]))
        return [messages[int(failed["Id"])] for failed in refused]

    def _queue_url(self) -> str:
        if not self._url:
            self._url = self._client.get_queue_url(QueueName=self._name)["QueueUrl"]
        return self._url
