"""The job queue in SQS: a standard queue with a dead-letter queue."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import botocore.exceptions
import botocore.parsers

from chalicelib import job_message
from chalicelib.errors import QueueUnavailable
from chalicelib.job_message import JobMessage
from chalicelib.job_queue import BATCH, LONGEST_DELAY, Message

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

log = logging.getLogger(__name__)


class SqsQueue:
    """Sends, receives, hides and deletes messages. `name` is the queue's name or URL. Thread-safe.

    `send` and `count_messages` log a fault of the queue; every other method raises QueueUnavailable.
    """

    def __init__(self, client: SQSClient, name: str) -> None:
        self._client = client
        self._name = name
        self._url = name if "://" in name else ""

    def send(self, messages: Sequence[JobMessage], delay: float = 0) -> list[JobMessage]:
        """Send messages, each visible after `delay` seconds.

        Returns those that could not be sent; the sweep resends them.
        """
        unsent: list[JobMessage] = []
        for start in range(0, len(messages), BATCH):
            try:
                unsent += self._send_batch(messages[start : start + BATCH], delay)
            except QueueUnavailable as error:
                log.warning("could not send; the sweep will resend: %s", error)
                return [*unsent, *messages[start:]]
        return unsent

    def receive(self, most: int, wait: float, visibility: int) -> list[Message]:
        """Up to `most` messages, waiting up to `wait` seconds; others do not see them for `visibility` seconds."""
        with _faults("receive"):
            answer = self._client.receive_message(
                QueueUrl=self._queue_url(),
                MaxNumberOfMessages=min(most, BATCH),
                WaitTimeSeconds=int(wait),
                VisibilityTimeout=visibility,
            )
        return [Message(raw["ReceiptHandle"], raw["Body"]) for raw in answer.get("Messages", [])]

    def count_messages(self) -> int:
        """Approximate number of visible and in-flight messages, without delayed ones.

        0 if the queue does not answer: then the sweep sends every job that is due.
        """
        try:
            return self.depth()
        except QueueUnavailable as error:
            log.warning("cannot count the queue's messages: %s", error)
            return 0

    def depth(self) -> int:
        """As `count_messages`, but raises QueueUnavailable."""
        with _faults("count messages"):
            counts = self._client.get_queue_attributes(
                QueueUrl=self._queue_url(),
                AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
            )["Attributes"]
        return int(counts["ApproximateNumberOfMessages"]) + int(counts["ApproximateNumberOfMessagesNotVisible"])

    def extend(self, receipts: Sequence[str], visibility: int) -> None:
        """Hide received messages for another `visibility` seconds; 0 makes them visible at once."""
        for start in range(0, len(receipts), BATCH):
            entries = [
                {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": visibility}
                for number, receipt in enumerate(receipts[start : start + BATCH])
            ]
            with _faults("extend messages"):
                self._client.change_message_visibility_batch(QueueUrl=self._queue_url(), Entries=entries)  # type: ignore[arg-type]

    def delete(self, receipt: str) -> None:
        with _faults("delete a message"):
            self._client.delete_message(QueueUrl=self._queue_url(), ReceiptHandle=receipt)

    def _send_batch(self, messages: Sequence[JobMessage], delay: float) -> list[JobMessage]:
        entries = [
            {
                "Id": str(number),
                "MessageBody": job_message.encode(message),
                "MessageGroupId": message.group,
                "DelaySeconds": min(math.ceil(delay), LONGEST_DELAY),  # never before its job is due
            }
            for number, message in enumerate(messages)
        ]
        with _faults("send"):
            answer = self._client.send_message_batch(QueueUrl=self._queue_url(), Entries=entries)  # type: ignore[arg-type]
        refused = answer.get("Failed", [])
        for failed in refused:
            log.warning("could not send; the sweep will resend: %s", failed.get("Message", failed["Code"]))
        return [messages[int(failed["Id"])] for failed in refused]

    def _queue_url(self) -> str:
        if not self._url:
            self._url = self._client.get_queue_url(QueueName=self._name)["QueueUrl"]
        return self._url


@contextmanager
def _faults(doing: str) -> Iterator[None]:
    """Translate the queue's faults into QueueUnavailable."""
    try:
        yield
    except (
        botocore.exceptions.ClientError,
        botocore.exceptions.BotoCoreError,
        botocore.parsers.ResponseParserError,  # a response that is not SQS's, for example from a proxy
    ) as error:
        raise QueueUnavailable(f"The queue failed ({doing}): {error}") from error
