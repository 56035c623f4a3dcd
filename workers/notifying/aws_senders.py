"""Publishes to an SNS topic, or puts onto an EventBridge event bus."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from workers.notifying.event import Event
from workers.notifying.results import NotDelivered

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sns import SNSClient

SOURCE = "org.pacifica.cart"
LONGEST_SUBJECT = 100  # characters, of SNS


class TopicSender:
    def __init__(self, client: SNSClient) -> None:
        self._client = client

    def send(self, arn: str, event: Event) -> None:
        """Subscriptions may filter by the attributes. Raises NotDelivered."""
        attributes: Any = {
            name: {"DataType": "String", "StringValue": value}
            for name, value in (("type", event.type), ("status", event.status))
        }
        order: Any = {"MessageGroupId": "carts", "MessageDeduplicationId": event.id} if arn.endswith(".fifo") else {}
        subject = f"Data cart {event.uid}: {event.status}"[:LONGEST_SUBJECT]
        try:
            self._client.publish(
                TopicArn=arn, Message=event.body().decode(), Subject=subject, MessageAttributes=attributes, **order
            )
        except (BotoCoreError, ClientError) as error:
            raise NotDelivered(f"SNS failed: {_brief(error)}") from error


class BusSender:
    def __init__(self, client: EventBridgeClient) -> None:
        self._client = client

    def send(self, bus: str, event: Event) -> None:
        """The CloudEvent is the detail. Raises NotDelivered."""
        detail = json.dumps(event.document())
        try:
            answer = self._client.put_events(
                Entries=[{"Source": SOURCE, "DetailType": event.type, "Detail": detail, "EventBusName": bus}]
            )
        except (BotoCoreError, ClientError) as error:
            raise NotDelivered(f"EventBridge failed: {_brief(error)}") from error
        if answer["FailedEntryCount"]:
            raise NotDelivered(f"EventBridge refused the event: {answer['Entries'][0].get('ErrorCode', '')}")


def _brief(error: Exception) -> str:
    """Without what the request was about."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__
