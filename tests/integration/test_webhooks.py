"""What a receiver gets, and where no webhook goes."""

from __future__ import annotations

import base64
import dataclasses
import email.utils
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.errors import SettingsError
from tests.integration.receiver import NAME, Answer, Receiver, running_receiver, verified
from workers.notifying.event import Event
from workers.notifying.results import NeverDelivered, NotDelivered
from workers.notifying.signing import Signer
from workers.notifying.webhook import WebhookPolicy, WebhookSender

PAGE = Path(__file__).parents[2] / "docs/notifications.md"
KEY = f"whsk_{base64.b64encode(bytes(range(32))).decode()}"
CLOUD = "https://cart.example.org/"
EVENT = Event(
    "7-1-2", CLOUD, "org.pacifica.cart.ready", "2026-11-27T02:00:00.000Z", "a", "ready", "", f"{CLOUD}a", 9, 1
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with running_receiver(tmp_path_factory.mktemp("receiver")) as running:
        yield running


@pytest.fixture
def receiver(server: Receiver) -> Receiver:
    for collected in (server.got, server.answers, server.names):
        collected.clear()
    return server


class Resolver:
    """Gives one list of addresses after the other."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def sender(receiver: Receiver, resolver: Any = None, *, allowed: bool = True, **policy: Any) -> WebhookSender:
    rules = WebhookPolicy(certificates=str(receiver.certificates))
    return WebhookSender(
        Signer(KEY),
        [NAME] if allowed else [],
        time.time,
        resolver or Resolver(["127.0.0.1"]),
        dataclasses.replace(rules, **policy),
    )


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that are connected to; none of them answers."""
    found: list[str] = []

    def create_connection(address: tuple[str, int], timeout: float) -> socket.socket:
        found.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", create_connection)
    return found


def test_a_receiver_can_verify_what_it_gets(receiver: Receiver) -> None:
    """Reached by an address that was given, with the name in the certificate, in SNI and in Host."""
    signer = Signer(KEY)
    sender(receiver).send(receiver.url, EVENT)
    [(path, headers, body)] = receiver.got
    assert (path, headers["host"], receiver.names) == ("/hook?key=1", f"{NAME}:{receiver.port}", [NAME])
    assert headers["content-type"] == "application/cloudevents+json"
    event = verified(f"whpk_{signer.public_key}", headers, body)
    assert (event["specversion"], event["id"], headers["webhook-id"]) == ("1.0", "7-1-2", "7-1-2")
    assert (event["subject"], event["type"], event["data"]["url"]) == ("a", "org.pacifica.cart.ready", f"{CLOUD}a")
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60


def test_the_example_of_the_page_verifies_a_webhook_and_no_other(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    [example] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    keys = SimpleNamespace(json=lambda: {"keys": ["whpk_" + "A" * 43 + "=", f"whpk_{Signer(KEY).public_key}"]})
    monkeypatch.setattr("requests.get", lambda *_, **__: keys)
    found: dict[str, Any] = {}
    exec(example, found)
    sender(receiver).send(receiver.url, EVENT)
    [(_, headers, body)] = receiver.got
    assert found["is_genuine"](headers, body)
    assert not found["is_genuine"](headers, body + b" ")
    assert not found["is_genuine"]({**headers, "webhook-id": "8-1-2"}, body)
    assert not found["is_genuine"]({**headers, "webhook-timestamp": "1700000000"}, body)


def test_a_key_may_have_its_public_key_behind_it_but_no_other() -> None:
    public = base64.b64decode(Signer(KEY).public_key)
    assert Signer(f"whsk_{base64.b64encode(bytes(range(32)) + public).decode()}").public_key == Signer(KEY).public_key
    with pytest.raises(SettingsError, match="does not belong"):
        Signer(f"whsk_{base64.b64encode(bytes(64)).decode()}")


def test_a_certificate_of_another_name_is_refused(receiver: Receiver) -> None:
    other = WebhookSender(
        Signer(KEY), ["other.example.org"], time.time, Resolver(["127.0.0.1"]),
        WebhookPolicy(certificates=str(receiver.certificates)),
    )  # fmt: skip
    with pytest.raises(NotDelivered, match=r"other\.example\.org did not answer: SSLError"):
        other.send(receiver.url.replace(NAME, "other.example.org"), EVENT)
    assert receiver.got == []


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["169.254.169.254"], ["8.8.8.8", "127.0.0.1"], ["fd00:ec2::254"], ["::ffff:10.0.0.1"]]
)
def test_a_name_that_leads_inside_is_not_connected_to(
    receiver: Receiver, connected: list[str], addresses: list[str]
) -> None:
    with pytest.raises(NotDelivered, match="not public; see NOTIFY_ALLOWED_HOSTS"):
        sender(receiver, Resolver(addresses), allowed=False).send(receiver.url, EVENT)
    assert connected == []


def test_a_name_that_leads_elsewhere_after_the_check_is_not_followed(receiver: Receiver, connected: list[str]) -> None:
    resolver = Resolver(["203.0.114.1", "203.0.114.2"], ["127.0.0.1"])
    with pytest.raises(NotDelivered):
        sender(receiver, resolver, allowed=False).send(receiver.url, EVENT)
    assert (connected, resolver.asked) == (["203.0.114.1", "203.0.114.2"], [NAME])


def test_the_spelling_of_the_scheme_changes_nothing(receiver: Receiver, connected: list[str]) -> None:
    with pytest.raises(NotDelivered):
        sender(receiver, Resolver(["203.0.114.1"]), allowed=False).send(f"HTTPS://{NAME}/", EVENT)
    assert connected == ["203.0.114.1"]


def test_no_proxy_of_the_environment_is_used(
    receiver: Receiver, connected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(NotDelivered):
        sender(receiver, Resolver(["203.0.114.1"]), allowed=False).send(receiver.url, EVENT)
    assert connected == ["203.0.114.1"]


def test_a_url_that_may_no_longer_be_called_is_given_up(receiver: Receiver, connected: list[str]) -> None:
    with pytest.raises(NeverDelivered, match="must be a https URL"):
        sender(receiver, allowed=False).send(f"http://{NAME}/", EVENT)
    assert connected == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(302, {"Location": "https://169.254.169.254/"}), "answers 302; redirects are not followed"),
        (Answer(302, {"Location": "https://\xff.example.org/"}), "answers 302; redirects are not followed"),
        (Answer(307, {"Location": "/"}, endless=True), "answers 307; redirects are not followed"),
        (Answer(500), "answers 500"),
        (Answer(404), "answers 404"),
    ],
)
def test_an_answer_that_is_tried_again(receiver: Receiver, answer: Answer, message: str) -> None:
    receiver.answers.append(answer)
    with pytest.raises(NotDelivered, match=message):
        sender(receiver).send(receiver.url, EVENT)
    assert len(receiver.got) == 1


def test_an_endless_answer_is_not_read(receiver: Receiver) -> None:
    receiver.answers.append(Answer(200, endless=True))
    sender(receiver).send(receiver.url, EVENT)


def test_a_connection_made_at_the_last_moment_ends_with_the_time(receiver: Receiver) -> None:
    receiver.answers.append(Answer(200, hang=0.05))
    with pytest.raises(NotDelivered, match="did not answer"):
        sender(receiver, total=1e-6).send(receiver.url, EVENT)
    assert receiver.got == []


def test_gone_is_not_tried_again(receiver: Receiver) -> None:
    receiver.answers.append(Answer(410))
    with pytest.raises(NeverDelivered, match="410 Gone"):
        sender(receiver).send(receiver.url, EVENT)


def test_a_receiver_may_say_when_to_come_again(receiver: Receiver) -> None:
    date = email.utils.formatdate(time.time() + 1000, usegmt=True)
    for text, low, high in (("120", 120, 120), (date, 900, 1000), ("x", 0, 0), ("9" * 20, 86400, 86400)):
        receiver.answers.append(Answer(503, {"Retry-After": text}))
        with pytest.raises(NotDelivered) as raised:
            sender(receiver).send(receiver.url, EVENT)
        assert low <= raised.value.after <= high


def test_a_receiver_that_goes_on_and_on_is_left_when_the_time_is_over(receiver: Receiver) -> None:
    receiver.answers.append(Answer(200, hang=0.05))
    with pytest.raises(NotDelivered, match="did not answer"):
        sender(receiver, total=0.3).send(receiver.url, EVENT)
