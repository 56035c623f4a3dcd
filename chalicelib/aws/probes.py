"""Asks the queue and the store whether they answer, with time-outs far shorter than those of the work."""

from __future__ import annotations

from functools import cached_property

from boto3.session import Session
from botocore.config import Config

from chalicelib.aws.bundle_store import BundleStore
from chalicelib.aws.clients import ClientTimeouts, client_timeouts, s3_client
from chalicelib.aws.sqs_queue import SqsQueue
from chalicelib.config.settings import Settings

TIMEOUTS = ClientTimeouts(connect=1.5, queue=1.5, store=1.5, tries=1)


class Probes:
    """Its clients are built at their first use, since most processes never ask."""

    def __init__(self, session: Session, settings: Settings, dead_queue: str) -> None:
        self._session = session
        self._settings = settings
        self._dead_queue = dead_queue

    def queue_depth(self) -> int:
        """Messages in the job queue. Raises QueueUnavailable."""
        return self._queues[0].depth()

    def dead_letters(self) -> int:
        """Messages in the dead-letter queue. Raises QueueUnavailable."""
        return self._queues[1].depth()

    def check_store(self) -> None:
        """Raises StoreUnavailable if the bucket does not answer."""
        self._store.check()

    @cached_property
    def _queues(self) -> tuple[SqsQueue, SqsQueue]:
        config = Config(**client_timeouts(TIMEOUTS, TIMEOUTS.queue))
        client = self._session.client("sqs", config=config)
        return SqsQueue(client, self._settings.job_queue), SqsQueue(client, self._dead_queue)

    @cached_property
    def _store(self) -> BundleStore:
        client = s3_client(self._session, self._settings, TIMEOUTS)
        return BundleStore(client, lambda: (client, 0), self._settings.bundle_bucket)
