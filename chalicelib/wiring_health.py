"""Builds what says whether the service does what it should."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace

from boto3.session import Session

from chalicelib.aws.probes import Probes
from chalicelib.config.settings import Settings
from chalicelib.db.database import Database
from chalicelib.errors import DatabaseUnavailable, QueueUnavailable
from chalicelib.health.figure_samples import WITHIN, Depth, FigureSamples
from chalicelib.health.in_time import InTime
from chalicelib.health.readiness import Check, Readiness
from chalicelib.metrics.counting import counts
from chalicelib.metrics.emf import EmfWriter
from chalicelib.stores.figures import FigureStore
from chalicelib.stores.waiting_jobs import JobWaitStore
from chalicelib.wiring_queue import dead_queue_name

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Health:
    """`emf`: None unless metrics are lines of the log."""

    readiness: Readiness
    figures: FigureSamples
    emf: EmfWriter | None

    def serve(self, address: str) -> None:
        """Serve the figures, and what this process counts, to Prometheus, if there is an address."""
        if address:
            from chalicelib.metrics import exposition, server  # late: it takes 25 ms of a Lambda's cold start

            server.serve(address, exposition.registry(counts, self.figures))

    def report(self) -> None:
        """Write them to the log for CloudWatch, if the settings say so. It raises nothing."""
        if self.emf is None:
            return
        try:
            self.emf.run(self.figures())
        except Exception:
            log.exception("metrics were not written to the log")


def health_of(settings: Settings, session: Session) -> Health:
    # A database of its own, that tries once: who asks waits for the answer.
    database = Database(replace(settings, database_connect_attempts=1))
    probes = Probes(session, settings, dead_queue_name(settings))

    def check_database() -> None:
        try:
            database.clock()
        finally:
            database.close()

    checks: dict[str, Check] = {"database": check_database}
    if settings.queue_is_database:
        messages, dead = _jobs_in(database), _none
    else:
        messages, dead = probes.queue_depth, probes.dead_letters
        checks["queue"] = probes.queue_depth
    checks["store"] = probes.check_store
    figures = FigureSamples(FigureStore(database), messages, dead, database.close)
    emf = EmfWriter(settings.metrics_namespace, counts, time.time) if settings.metrics_emf else None
    return Health(Readiness(checks), figures, emf)


def _none() -> int:
    return 0


def _jobs_in(database: Database) -> Depth:
    """How many jobs workers hold or may take: where the jobs table is the queue, they are what is in it."""
    waits = JobWaitStore(database)

    def read() -> int | None:
        try:
            line = waits.line()
        except DatabaseUnavailable:
            return None
        finally:
            database.close()
        return line.held + line.due

    in_time = InTime(read, WITHIN, "jobs")

    def jobs() -> int:
        found = in_time()
        if found is None:
            raise QueueUnavailable("The database, which is the queue, did not answer.")
        return found

    return jobs
