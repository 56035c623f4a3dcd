"""Sends one webhook: to addresses that were checked, without redirects, within ten seconds."""

from __future__ import annotations

import email.utils
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import requests
from urllib3.exceptions import HTTPError

from chalicelib.notify.webhook_url import WebhookUrl, is_public, webhook_url
from workers.notifying.event import CONTENT_TYPE, Event
from workers.notifying.pinned import Deadline, pinned_session
from workers.notifying.results import NeverDelivered, NotDelivered
from workers.notifying.signing import Signer

AGENT = "pacifica-data-cart"
GONE = 410
LONGEST_WAIT = 86400.0  # seconds that a receiver may ask for in Retry-After
MOST_ADDRESSES = 4

Resolver = Callable[[str, int], Sequence[str]]


def resolved(host: str, port: int) -> list[str]:
    """The addresses of a name. Raises OSError or UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class WebhookPolicy:
    """`total`: seconds for one delivery, `connect`: for each address. `read`: bytes of an answer.

    `certificates`: a file of CAs, or True for those that are known.
    """

    total: float = 10.0
    connect: float = 2.5
    read: int = 2048
    certificates: str | bool = True


class WebhookSender:
    def __init__(
        self,
        signer: Signer,
        allowed_hosts: Sequence[str],
        clock: Callable[[], float],
        resolver: Resolver = resolved,
        policy: WebhookPolicy = WebhookPolicy(),
    ) -> None:
        """`clock`: seconds since the epoch."""
        self._signer = signer
        self._allowed_hosts = allowed_hosts
        self._clock = clock
        self._resolver = resolver
        self._policy = policy

    def send(self, url: str, event: Event) -> None:
        """Raises NotDelivered, NeverDelivered."""
        try:
            checked = webhook_url(url, self._allowed_hosts)
        except ValueError as error:  # the settings have changed since the POST
            raise NeverDelivered(f"the URL {error}") from error
        addresses = self._addresses(checked)
        try:
            self._post(checked, addresses, event)
        except requests.RequestException as error:
            raise NotDelivered(f"{checked.host} did not answer: {type(error).__name__}") from error

    def _addresses(self, url: WebhookUrl) -> Sequence[str]:
        """Resolved once; all are checked, so that no order of answers leads elsewhere."""
        try:
            found = self._resolver(url.host, url.port)
        except (OSError, UnicodeError) as error:
            raise NotDelivered(f"the name {url.host} is not known") from error
        if not url.is_allowed and not all(map(is_public, found)):
            raise NotDelivered(f"{url.host} leads to an address that is not public; see NOTIFY_ALLOWED_HOSTS")
        if not found:
            raise NotDelivered(f"the name {url.host} has no address")
        return found[:MOST_ADDRESSES]

    def _post(self, url: WebhookUrl, addresses: Sequence[str], event: Event) -> None:
        body, policy = event.body(), self._policy
        headers = {"Content-Type": CONTENT_TYPE, "User-Agent": AGENT, "Accept-Encoding": "identity"}
        headers |= self._signer.headers(event.id, self._clock(), body)
        with (
            Deadline(policy.total) as deadline,
            pinned_session(addresses, deadline) as session,
            session.post(
                url.url,
                data=body,
                headers=headers,
                timeout=(policy.connect, policy.total),
                allow_redirects=False,
                stream=True,
                verify=policy.certificates,
            ) as answer,
        ):
            with suppress(HTTPError, OSError):  # read at all, so that a receiver that writes sees no reset
                answer.raw.read(policy.read)
            if deadline.is_over:  # what was read ends anywhere
                raise requests.Timeout
            self._check(url.host, answer)

    def _check(self, host: str, answer: requests.Response) -> None:
        status = answer.status_code
        if 200 <= status < 300:
            return
        if status == GONE:
            raise NeverDelivered(f"{host} answers 410 Gone")
        if 300 <= status < 400:
            raise NotDelivered(f"{host} answers {status}; redirects are not followed")
        raise NotDelivered(f"{host} answers {status}", self._asked_wait(answer.headers.get("Retry-After", "")))

    def _asked_wait(self, text: str) -> float:
        """Seconds that Retry-After names, or those until its date."""
        if text.isascii() and text.isdigit():
            return min(float(text[:9]), LONGEST_WAIT)
        try:
            until = email.utils.parsedate_to_datetime(text).timestamp()
        except (TypeError, ValueError, OverflowError):
            return 0.0
        return min(max(0.0, until - self._clock()), LONGEST_WAIT)
