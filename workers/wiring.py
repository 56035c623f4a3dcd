"""Builds a worker from what chalicelib.wiring builds for every process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from chalicelib.db import schema
from chalicelib.stores.cached_switches import CachedSwitches
from chalicelib.wiring import System
from workers.archive.client import ArchiveClient
from workers.archive.identity import Identity
from workers.files.volume import Volume
from workers.graph import Graph
from workers.measuring import Measuring
from workers.notifying.configured import Notifying, notifying_of
from workers.policies import WorkerPolicies, policies_of
from workers.runtime import liveness
from workers.runtime.consumer import Consumer
from workers.runtime.pulling_gate import PullingGate


@dataclass(frozen=True)
class Worker:
    """A worker ready to run, and its dependencies."""

    consumer: Consumer
    archive: ArchiveClient
    volume: Volume
    system: System
    measuring: Measuring
    notifying: Notifying


def assemble(system: System, policies: WorkerPolicies | None = None, volume: Volume | None = None) -> Worker:
    """Build a worker; policies and volume are by default those of the settings.

    The tables and the volume's directories exist when this returns.
    """
    settings = system.settings
    schema.prepare(settings, lambda seconds: _sleep_alive(settings.liveness_file, seconds))
    assert settings.volume_path is not None, "settings loaded with worker=True have a volume path"
    volume = volume or Volume(settings.volume_path, settings.volume_limit, settings.volume_reserve)
    volume.prepare()
    archive = ArchiveClient(
        settings.archive_url,
        concurrency=settings.pull_concurrency,
        connect_timeout=settings.archive_connect_timeout,
        read_timeout=settings.archive_read_timeout,
        min_rate=settings.archive_min_rate,
        identity=Identity(
            settings.archive_token,
            settings.archive_client_cert,
            settings.archive_client_key,
            settings.archive_forward_user,
        ),
        gate=PullingGate(CachedSwitches(system.database)).check,
    )
    policies = policies or policies_of(settings)
    graph = Graph(system, policies, volume, archive)
    notifying = notifying_of(system, policies.courier)
    return Worker(graph.consumer, archive, volume, system, graph.measuring, notifying)


def _sleep_alive(liveness_file: Path | None, seconds: float) -> None:
    """Sleep while the worker waits for the tables: no reason to replace it."""
    if liveness_file is not None:
        liveness.touch(liveness_file)
    time.sleep(seconds)
