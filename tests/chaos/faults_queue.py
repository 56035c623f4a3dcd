"""Messages lost, doubled, late, out of order, or for carts that are gone; a queue that fails or forgets everything."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

from tests.chaos.faults import Fault
from tests.chaos.proxy import Exchange, Rule, Sometimes, answers, cut_answer, pass_on
from tests.chaos.site import QUEUE

DOWN = json.dumps({"__type": "com.amazonaws.sqs#ServiceUnavailable", "message": "unavailable"}).encode()

JUNK = ("{}", "[" * 2000, "null", '{"v": 1, "job": 1e99, "token": 0}', '{"v": 1, "job": -1, "token": 1}', "€")


def _sends(exchange: Exchange) -> bool:
    return "SendMessage" in exchange.headers.get("X-Amz-Target", "")


def _receives(exchange: Exchange) -> bool:
    return "ReceiveMessage" in exchange.headers.get("X-Amz-Target", "")


def _swallow(exchange: Exchange) -> None:
    """The sender is told that its messages were taken; nobody will ever see them."""
    sent = json.loads(exchange.body()).get("Entries", [])
    said = [{"Id": entry["Id"], "MessageId": "lost", "MD5OfMessageBody": _md5(entry)} for entry in sent]
    body = json.dumps({"Successful": said, "Failed": []}).encode()
    exchange.answer(200, [("Content-Type", "application/x-amz-json-1.0")], body)


def _md5(entry: dict[str, str]) -> str:
    import hashlib  # here: botocore checks it, nobody else does

    return hashlib.md5(entry["MessageBody"].encode(), usedforsecurity=False).hexdigest()


def _twice(exchange: Exchange) -> None:
    exchange.forward()
    pass_on(exchange)


class _Queue(Fault):
    share = 0.5

    def begin(self) -> None:
        self.site.queue_proxy.rule = self.rule()

    def end(self) -> None:
        self.site.queue_proxy.rule = None

    def rule(self) -> Rule:
        return Rule()

    def some(self, which: Callable[[Exchange], bool]) -> Callable[[Exchange], bool]:
        return lambda exchange: which(exchange) and self.rng.random() < self.share


class MessagesLost(_Queue):
    """Messages that were taken and never come."""

    share = 0.7

    def rule(self) -> Rule:
        return Sometimes(self.some(_sends), _swallow)


class MessagesDoubled(_Queue):
    """Every other batch of messages comes twice."""

    def rule(self) -> Rule:
        return Sometimes(self.some(_sends), _twice)


class MessagesLate(_Queue):
    """Messages held up for seconds each, so that they come in another order."""

    def rule(self) -> Rule:
        return Sometimes(self.some(_sends), self._later)

    def _later(self, exchange: Exchange) -> None:
        headers, body = dict(exchange.headers.items()), exchange.body()
        _swallow(exchange)
        site = self.site

        def send() -> None:
            for entry in json.loads(body)["Entries"]:
                site.client("sqs", "sqs").send_message(QueueUrl=_url(headers, body), MessageBody=entry["MessageBody"])

        threading.Timer(self.rng.uniform(0.2, 4.0), _quietly(send)).start()


class MessagesRepeatedLate(_Queue):
    """Every message ever sent comes again: of jobs done, of carts deleted and replaced."""

    share = 1.0

    def begin(self) -> None:
        self._bodies: list[str] = []
        super().begin()

    def rule(self) -> Rule:
        return Sometimes(self.some(_sends), self._keep)

    def tick(self) -> None:
        if self._bodies and self.often(5):
            self._send(self.rng.sample(self._bodies, min(10, len(self._bodies))))

    def end(self) -> None:
        super().end()
        self._send(self._bodies)

    def _keep(self, exchange: Exchange) -> None:
        self._bodies += [entry["MessageBody"] for entry in json.loads(exchange.body()).get("Entries", [])]
        pass_on(exchange)

    def _send(self, bodies: list[str]) -> None:
        sqs = self.site.client("sqs", "sqs")
        url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
        for start in range(0, len(bodies), 10):
            some = enumerate(bodies[start : start + 10])
            sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": body} for n, body in some])


class JunkMessages(_Queue):
    """Messages that are no job's: empty, binary, of another version, of jobs that never were."""

    def tick(self) -> None:
        if self.often(4):
            sqs = self.site.client("sqs", "sqs")
            url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
            junk = [
                "{}",
                "[" * 2000,
                "null",
                '{"v": 1, "job": 1e99, "token": 0}',
                '{"v": 1, "job": -1, "token": 1}',
                "€",
            ]
            sqs.send_message(QueueUrl=url, MessageBody=self.rng.choice(junk))


class QueueFails(_Queue):
    """The queue answers 503 to most requests."""

    share = 0.7

    def rule(self) -> Rule:
        return Sometimes(self.some(lambda _: True), answers(503, DOWN))


class QueueGarbles(_Queue):
    """The queue, or a proxy before it, answers 200 with something that is no answer."""

    def rule(self) -> Rule:
        return Sometimes(self.some(lambda _: True), answers(200, b"<html>maintenance</html>"))


class AnswersOfQueueLost(_Queue):
    """Messages are handed out, and the answer that has them never arrives."""

    def rule(self) -> Rule:
        return Sometimes(self.some(lambda exchange: _receives(exchange) or _sends(exchange)), cut_answer)


class QueueUnreachable(_Queue):
    """No connection to the queue."""

    def begin(self) -> None:
        self.site.queue_proxy.down = True

    def end(self) -> None:
        self.site.queue_proxy.down = False


class QueueForgets(_Queue):
    """The queue's whole state is lost, in the middle of everything."""

    def end(self) -> None:
        self.site.restart_queue()


def _url(headers: dict[str, str], body: bytes) -> str:
    return str(json.loads(body)["QueueUrl"])


def _quietly(work: Callable[[], None]) -> Callable[[], None]:
    def quiet() -> None:
        try:
            work()
        except Exception:
            pass  # the queue was restarted meanwhile: then the message is lost, which is a fault as well

    return quiet


QUEUE_FAULTS = (
    MessagesLost, MessagesDoubled, MessagesLate, MessagesRepeatedLate, JunkMessages, QueueFails, QueueGarbles,
    AnswersOfQueueLost, QueueUnreachable, QueueForgets,
)  # fmt: skip
