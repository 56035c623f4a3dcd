"""Clients of the queue and the store for commands: somebody waits for the answer, so they give up soon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from boto3.session import Session
from botocore.config import Config

from chalicelib.aws.clients import ClientTimeouts, aws_session, client_timeouts, s3_client, url_signer
from chalicelib.aws.queue_view import QueueView
from chalicelib.config.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from chalicelib.aws.bundle_store import Signer

LOOKING = ClientTimeouts(connect=1.5, queue=2, store=3, tries=1)


@dataclass(frozen=True)
class Queues:
    """The job queue and its dead-letter queue."""

    jobs: QueueView
    dead: QueueView


@dataclass(frozen=True)
class Store:
    """The store's client, and what signs its URLs."""

    s3: S3Client
    signer: Signer
    bucket: str


def queues_of(settings: Settings, session: Session | None = None) -> Queues:
    """Connects to nothing yet. Raises SettingsError."""
    sqs = (session or aws_session()).client("sqs", config=Config(**client_timeouts(LOOKING, LOOKING.queue)))
    dead = settings.job_dead_queue or f"{settings.job_queue}-dead"
    return Queues(QueueView(sqs, settings.job_queue), QueueView(sqs, dead))


def store_of(settings: Settings, session: Session | None = None) -> Store:
    """Connects to nothing yet. Raises SettingsError."""
    session = session or aws_session()
    s3, signer = s3_client(session, settings, LOOKING), url_signer(session, settings, LOOKING)
    return Store(s3, signer, settings.bundle_bucket)
