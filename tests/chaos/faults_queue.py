"""Faults of the queue: messages are lost, duplicated, delayed or junk; the queue fails or loses its state."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from tests.chaos.faults import Fault
from tests.chaos.proxy import Exchange, Rule, When, drop_response, relay, respond_with
from tests.chaos.site import QUEUE

UNAVAILABLE = json.dumps({"__type": "com.amazonaws.sqs#ServiceUnavailable", "message": "unavailable"}).encode()
JUNK = ("{}", "[" * 2000, "null", '{"v": 1, "job": 1e99, "token": 0}', '{"v": 1, "job": -1, "token": 1}', "€")
BATCH = 10  # the most messages that one request can send


class _Queue(Fault):
    #: Probability that the rule applies to a request.
    share = 0.5

    def begin(self) -> None:
        self.site.queue_proxy.rule = self.rule()

    def end(self) -> None:
        self.site.queue_proxy.rule = None

    def rule(self) -> Rule:
        return Rule()

    def sampled(self, matches: Callable[[Exchange], bool]) -> Callable[[Exchange], bool]:
        return lambda exchange: matches(exchange) and self.rng.random() < self.share

    def send(self, bodies: Sequence[str]) -> None:
        """Put messages into the queue directly, not through the proxy."""
        sqs = self.site.client("sqs", "sqs")
        url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
        for start in range(0, len(bodies), BATCH):
            batch = enumerate(bodies[start : start + BATCH])
            sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": body} for n, body in batch])


class MessagesLost(_Queue):
    """The queue accepts messages and never delivers them."""

    share = 0.7

    def rule(self) -> Rule:
        return When(self.sampled(_is_send), _accept_and_drop)


class MessagesDoubled(_Queue):
    """Half of all batches of messages are delivered twice."""

    def rule(self) -> Rule:
        return When(self.sampled(_is_send), _send_twice)


class MessagesLate(_Queue):
    """Messages are delayed by up to four seconds, each by another time, so they arrive out of order."""

    def rule(self) -> Rule:
        return When(self.sampled(_is_send), self._send_later)

    def _send_later(self, exchange: Exchange) -> None:
        request = json.loads(exchange.body())
        _accept_and_drop(exchange)

        def send() -> None:
            with suppress(Exception):  # if the queue restarts meanwhile, the messages are lost: a fault as well
                for entry in request["Entries"]:
                    sqs = self.site.client("sqs", "sqs")
                    sqs.send_message(QueueUrl=request["QueueUrl"], MessageBody=entry["MessageBody"])

        threading.Timer(self.rng.uniform(0.2, 4.0), send).start()


class MessagesRepeatedLate(_Queue):
    """Every message is delivered again later, when its job is done or its cart deleted or replaced."""

    share = 1.0

    def begin(self) -> None:
        self._bodies: list[str] = []
        super().begin()

    def rule(self) -> Rule:
        return When(self.sampled(_is_send), self._record)

    def tick(self) -> None:
        if self._bodies and self.happens(5):
            self.send(self.rng.sample(self._bodies, min(10, len(self._bodies))))

    def end(self) -> None:
        super().end()
        self.send(self._bodies)

    def _record(self, exchange: Exchange) -> None:
        self._bodies += [entry["MessageBody"] for entry in json.loads(exchange.body()).get("Entries", [])]
        relay(exchange)


class JunkMessages(_Queue):
    """The queue delivers messages that belong to no job: malformed, out of range, or of jobs that never existed."""

    def tick(self) -> None:
        if self.happens(4):
            self.send([self.rng.choice(JUNK)])


class QueueFails(_Queue):
    """Most requests to the queue get 503."""

    share = 0.7

    def rule(self) -> Rule:
        return When(self.sampled(lambda _: True), respond_with(503, UNAVAILABLE))


class QueueGarbles(_Queue):
    """The queue, or a proxy in front of it, returns 200 with a body that is not a response of SQS."""

    def rule(self) -> Rule:
        return When(self.sampled(lambda _: True), respond_with(200, b"<html>maintenance</html>"))


class AnswersOfQueueLost(_Queue):
    """The queue handles a send or a receive, but the response is lost."""

    def rule(self) -> Rule:
        return When(self.sampled(lambda exchange: _is_receive(exchange) or _is_send(exchange)), drop_response)


class QueueUnreachable(_Queue):
    """The queue accepts no connection."""

    def begin(self) -> None:
        self.site.queue_proxy.down = True

    def end(self) -> None:
        self.site.queue_proxy.down = False


class QueueForgets(_Queue):
    """The queue loses its whole state in the middle of the round."""

    def end(self) -> None:
        self.site.restart_queue()


def _is_send(exchange: Exchange) -> bool:
    return "SendMessage" in exchange.headers.get("X-Amz-Target", "")


def _is_receive(exchange: Exchange) -> bool:
    return "ReceiveMessage" in exchange.headers.get("X-Amz-Target", "")


def _accept_and_drop(exchange: Exchange) -> None:
    """Tell the sender that its messages were accepted, and drop them."""
    entries = json.loads(exchange.body()).get("Entries", [])
    accepted = [{"Id": entry["Id"], "MessageId": "lost", "MD5OfMessageBody": _md5(entry)} for entry in entries]
    body = json.dumps({"Successful": accepted, "Failed": []}).encode()
    exchange.respond(200, [("Content-Type", "application/x-amz-json-1.0")], body)


def _md5(entry: dict[str, str]) -> str:
    """botocore checks it."""
    return hashlib.md5(entry["MessageBody"].encode(), usedforsecurity=False).hexdigest()


def _send_twice(exchange: Exchange) -> None:
    exchange.forward()
    relay(exchange)


QUEUE_FAULTS = (
    MessagesLost, MessagesDoubled, MessagesLate, MessagesRepeatedLate, JunkMessages, QueueFails, QueueGarbles,
    AnswersOfQueueLost, QueueUnreachable, QueueForgets,
)  # fmt: skip
