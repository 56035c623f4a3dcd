"""Builds what says whether the service does what it should."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace

from boto3.session import Session

from chalicelib.aws.probes import Probes
from chalicelib.config.settings import Settings
from chalicelib.db.database import Database
from chalicelib.health.figure_samples import FigureSamples
from chalicelib.health.readiness import Readiness
from chalicelib.metrics.counting import counts
from chalicelib.metrics.emf import EmfWriter
from chalicelib.stores.figures import FigureStore

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


def health_of(settings: Settings, session: Session, dead_queue: str) -> Health:
    """`dead_queue`: name or URL of the dead-letter queue."""
    # A database of its own, that tries once: who asks waits for the answer.
    database = Database(replace(settings, database_connect_attempts=1))
    probes = Probes(session, settings, dead_queue)

    def check_database() -> None:
        try:
            database.clock()
        finally:
            database.close()

    checks = {"database": check_database, "queue": probes.queue_depth, "store": probes.check_store}
    figures = FigureSamples(FigureStore(database), probes.queue_depth, probes.dead_letters, database.close)
    emf = EmfWriter(settings.metrics_namespace, counts, time.time) if settings.metrics_emf else None
    return Health(Readiness(checks), figures, emf)
