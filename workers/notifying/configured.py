"""The couriers that the settings ask for."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from botocore.config import Config

from chalicelib.aws.clients import aws_session, client_timeouts
from chalicelib.config.settings import Settings
from chalicelib.notify.asked import Channel
from chalicelib.wiring import WORKER_TIMEOUTS, System
from workers.notifying.aws_senders import BusSender, TopicSender
from workers.notifying.courier import Courier, CourierPolicy, Sender
from workers.notifying.key_publisher import KeyPublisher
from workers.notifying.mail import MailSender, MailServer
from workers.notifying.signing import Signer
from workers.notifying.webhook import WebhookSender
from workers.stores.notifications import NotificationStore

AWS_READ = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Notifying:
    """The threads of a worker that tell people."""

    courier: Courier
    publisher: KeyPublisher

    def start(self) -> None:
        for name, run in (("notify", self.courier.run), ("notify-key", self.publisher.run)):
            threading.Thread(target=run, name=name, daemon=True).start()

    def stop(self) -> None:
        self.courier.stop()
        self.publisher.stop()


def notifying_of(system: System, policy: CourierPolicy) -> Notifying:
    """Raises SettingsError if the key is none."""
    settings, database = system.settings, system.database
    signer = Signer(settings.notify_signing_key) if settings.notify_signing_key else None
    senders = _senders(settings, signer)
    store, clock = NotificationStore(database), database.clock
    courier = Courier(store, senders, settings.public_url, clock, database.close, policy)
    return Notifying(courier, KeyPublisher(system.notify_keys, signer.public_key if signer else ""))


def _senders(settings: Settings, signer: Signer | None) -> Mapping[str, Sender]:
    found: dict[str, Sender] = {}
    if signer:
        found[Channel.WEBHOOK] = WebhookSender(signer, settings.notify_allowed_hosts, time.time)
    if settings.smtp_url:
        found[Channel.MAIL] = MailSender(MailServer(settings.smtp_url, settings.notify_mail_from))
    config = Config(**client_timeouts(WORKER_TIMEOUTS, AWS_READ))
    if settings.notify_topic:
        found[Channel.TOPIC] = TopicSender(aws_session().client("sns", config=config))
    if settings.notify_bus:
        found[Channel.BUS] = BusSender(aws_session().client("events", config=config))
    return found
