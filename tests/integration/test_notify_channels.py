"""Mail, SNS and EventBridge, each to a server of its kind."""

from __future__ import annotations

import dataclasses
import email
import email.policy
import json
import socket
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from tests.integration.conftest import KEYS
from tests.integration.test_webhooks import EVENT
from workers.notifying.aws_senders import BusSender, TopicSender
from workers.notifying.mail import MailSender, MailServer, message
from workers.notifying.results import NeverDelivered, NotDelivered

SENDER = "carts@example.org"
ADDRESS = "ann@lab.example.org"


class Mailbox:
    """Takes mail for ADDRESS alone. `bye`: what it says to QUIT."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.bye = "221 bye"

    async def handle_QUIT(self, server: SMTP, session: Any, envelope: Any) -> str:
        return self.bye

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address != ADDRESS:
            return "550 no such mailbox" if address.startswith("nobody") else "451 try later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        self.got.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def mail(mailbox: Mailbox) -> Iterator[MailSender]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield MailSender(MailServer(f"smtp://127.0.0.1:{port}", SENDER))
    controller.stop()


def test_mail_says_what_is_ready_and_where(mail: MailSender, mailbox: Mailbox) -> None:
    mail.send(ADDRESS, EVENT)
    [got] = mailbox.got
    assert (got["From"], got["To"], got["Subject"]) == (SENDER, ADDRESS, "Data cart a is ready")
    assert got["Auto-Submitted"] == "auto-generated"
    assert "\n    https://cart.example.org/a\n" in got.get_content().replace("\r", "")
    assert "1 file, 9 bytes" in got.get_content()


def test_mail_says_why_a_cart_has_failed(mail: MailSender, mailbox: Mailbox) -> None:
    mail.send(ADDRESS, dataclasses.replace(EVENT, status="error", message="foo.csv: the archive has no file 7"))
    [got] = mailbox.got
    assert got["Subject"] == "Data cart a has failed"
    assert "foo.csv: the archive has no file 7" in got.get_content()


def test_a_mailbox_that_does_not_exist_is_given_up_and_one_that_is_busy_is_not(mail: MailSender) -> None:
    with pytest.raises(NeverDelivered, match="refuses the address: 550"):
        mail.send("nobody@lab.example.org", EVENT)
    with pytest.raises(NotDelivered, match="refuses the address: 451"):
        mail.send("busy@lab.example.org", EVENT)


def test_mail_that_was_taken_is_delivered_whatever_the_server_says_at_the_end(
    mail: MailSender, mailbox: Mailbox
) -> None:
    mailbox.bye = "421 too busy to say goodbye"
    mail.send(ADDRESS, EVENT)
    assert len(mailbox.got) == 1


def test_without_a_mail_server_it_is_tried_again_and_no_password_is_shown() -> None:
    with pytest.raises(NotDelivered, match=r"^the mail server failed: ConnectionRefusedError$"):
        MailSender(MailServer("smtp://user:hidden@127.0.0.1:9", SENDER)).send(ADDRESS, EVENT)


def test_no_header_can_be_injected() -> None:
    with pytest.raises(ValueError, match="linefeed"):
        message(SENDER, "ann@lab.example.org\nBcc: eve@example.org", EVENT)


@pytest.fixture
def endpoint(aws: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return aws


def test_a_topic_and_a_bus_get_the_event(endpoint: str) -> None:
    sns, sqs, events = (boto3.client(name, endpoint_url=endpoint) for name in ("sns", "sqs", "events"))
    name = f"told-{uuid.uuid4().hex[:8]}"
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    events.create_event_bus(Name=name)
    put: list[Any] = []
    events.meta.events.register("before-parameter-build.eventbridge.PutEvents", lambda params, **_: put.append(params))

    TopicSender(sns).send(topic, EVENT)
    BusSender(events).send(name, EVENT)

    [received] = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1)["Messages"]
    by_topic, [by_bus] = json.loads(received["Body"]), put[0]["Entries"]
    assert json.loads(by_topic["Message"]) == json.loads(by_bus["Detail"]) == EVENT.document()
    assert by_topic["MessageAttributes"]["status"]["Value"] == "ready"
    assert (by_bus["DetailType"], by_bus["EventBusName"]) == ("org.pacifica.cart.ready", name)


def test_a_bus_that_is_gone_is_tried_again(endpoint: str) -> None:
    with pytest.raises(NotDelivered, match="EventBridge"):
        BusSender(boto3.client("events", endpoint_url=endpoint)).send("gone", EVENT)


def test_a_topic_that_is_gone_is_tried_again(endpoint: str) -> None:
    with pytest.raises(NotDelivered, match="SNS failed: NotFound"):
        TopicSender(boto3.client("sns", endpoint_url=endpoint)).send("arn:aws:sns:us-east-1:123456789012:gone", EVENT)
