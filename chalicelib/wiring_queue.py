"""Builds the job queue: SQS, or with JOB_QUEUE=database the jobs table itself, which needs no client."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from boto3.session import Session

from chalicelib.aws.clients import ClientTimeouts, client_timeouts
from chalicelib.config.settings import Settings
from chalicelib.waking.database_queue import DatabaseQueue
from chalicelib.waking.wake_directory import WakeDirectory

if TYPE_CHECKING:
    from chalicelib.aws.sqs_queue import SqsQueue

#: The log says that the queue hangs within a minute. What cannot be sent, the sweep sends.
QUEUE_TRIES = 2


@dataclass(frozen=True)
class SqsQueues:
    jobs: SqsQueue
    dead: SqsQueue


def database_queue_of(settings: Settings) -> DatabaseQueue:
    return DatabaseQueue(WakeDirectory(wake_directory(settings)))


def sqs_queues_of(settings: Settings, session: Session, timeouts: ClientTimeouts) -> SqsQueues | None:
    """None if the jobs table is the queue."""
    if settings.queue_is_database:
        return None
    from botocore.config import Config

    from chalicelib.aws.sqs_queue import SqsQueue

    for_queue = replace(timeouts, tries=min(QUEUE_TRIES, timeouts.tries))
    client = session.client("sqs", config=Config(**client_timeouts(for_queue, timeouts.queue)))
    return SqsQueues(SqsQueue(client, settings.job_queue), SqsQueue(client, dead_queue_name(settings)))


def dead_queue_name(settings: Settings) -> str:
    return settings.job_dead_queue or f"{settings.job_queue}-dead"


def wake_directory(settings: Settings) -> Path:
    """The same for all processes of a machine that use the same database."""
    if settings.job_wake_dir:
        return settings.job_wake_dir
    if not settings.mysql_host:
        return settings.sqlite_path.with_name(f"{settings.sqlite_path.name}-wake")
    name = f"{settings.mysql_host}:{settings.mysql_port}/{settings.mysql_database}"
    return Path(tempfile.gettempdir()) / f"pacifica-cartd-wake-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
