"""Sends one mail: plain text to one address, over TLS."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import closing, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from urllib.parse import unquote, urlsplit

from chalicelib.config.host_names import is_loopback
from chalicelib.readable_size import readable_size
from workers.notifying.event import Event
from workers.notifying.results import NeverDelivered, NotDelivered

NO_SUCH_MAILBOX = 550


@dataclass(frozen=True, slots=True)
class MailServer:
    """`sender`: NOTIFY_MAIL_FROM. `timeout`: seconds between two lines of the server."""

    url: str
    sender: str
    timeout: float = 10.0


class MailSender:
    def __init__(self, server: MailServer) -> None:
        self._server = server

    def send(self, address: str, event: Event) -> None:
        """Raises NotDelivered, NeverDelivered."""
        try:
            with closing(self._connected()) as connection:
                connection.send_message(message(self._server.sender, address, event), self._server.sender, [address])
                with suppress(OSError, smtplib.SMTPException):  # it has the mail, whatever it says to QUIT
                    connection.quit()
        except smtplib.SMTPRecipientsRefused as error:
            [(code, _)] = error.recipients.values()
            raise (NeverDelivered if code == NO_SUCH_MAILBOX else NotDelivered)(
                f"the mail server refuses the address: {code}"
            ) from error
        except (OSError, smtplib.SMTPException) as error:
            raise NotDelivered(f"the mail server failed: {type(error).__name__}") from error

    def _connected(self) -> smtplib.SMTP:
        parts, timeout = urlsplit(self._server.url), self._server.timeout
        host, tls = parts.hostname or "", ssl.create_default_context()
        if parts.scheme == "smtps":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=timeout, context=tls)
        else:
            connection = smtplib.SMTP(host, parts.port or 587, timeout=timeout)
        try:
            if parts.scheme == "smtp" and not is_loopback(host):
                connection.starttls(context=tls)  # raises where the server has no TLS
            if parts.username:
                connection.login(unquote(parts.username), unquote(parts.password or ""))
        except BaseException:
            connection.close()
            raise
        return connection


def message(sender: str, address: str, event: Event) -> EmailMessage:
    """No header can be injected: EmailMessage refuses line ends, and a uid has none."""
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = sender, address
    mail["Subject"] = f"Data cart {event.uid} {'is ready' if event.status == 'ready' else 'has failed'}"
    mail["Message-ID"] = f"<{event.id}.cart@{sender.rpartition('@')[2]}>"  # the same at each attempt
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_ready(event) if event.status == "ready" else _failed(event))
    return mail


def _ready(event: Event) -> str:
    files = f"{event.files:,} file{'' if event.files == 1 else 's'}"
    return f"""\
Your data cart "{event.uid}" is ready: {files}, {readable_size(event.size)} in one tar file.

Download it here; you may have to log in:

    {event.url}

It is kept for a limited time. If it has expired when you come, post the same
manifest again.
"""


def _failed(event: Event) -> str:
    return f"""\
Your data cart "{event.uid}" has failed:

    {event.message}

Which files are the cause:

    {event.url}/files

When that is put right, post the manifest again.
"""
