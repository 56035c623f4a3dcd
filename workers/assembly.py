"""The worker's part of the wiring, over what chalicelib.wiring builds for everyone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from chalicelib import jobs, migrations
from chalicelib.entries import EntryStore
from chalicelib.wiring import System
from workers.archive import Archive
from workers.assist import Assist
from workers.catalogue import Catalogue
from workers.consumer import Consumer, Handler
from workers.ending import Ending
from workers.lease import Lease
from workers.parts import Parts
from workers.read_manifest import ReadManifest
from workers.recall import Recall
from workers.recalls import RecallStore
from workers.reconcile import Reconcile
from workers.shares import ShareStore
from workers.volume import Volume
from workers.window import WindowJob
from workers.windows import WindowStore


@dataclass(frozen=True)
class Worker:
    consumer: Consumer
    parts: Parts


def assemble(system: System) -> Worker:
    """Everything a worker is made of; the volume and the tables are there when it returns."""
    settings = system.settings
    migrations.sync(system.database)
    assert settings.volume_path is not None
    volume = Volume(settings.volume_path, settings.volume_limit, settings.volume_reserve)
    volume.prepare()
    archive = Archive(
        settings.archive_url,
        concurrency=settings.pull_concurrency,
        connect_timeout=settings.archive_connect_timeout,
        read_timeout=settings.archive_read_timeout,
    )
    parts = Parts(
        settings=settings,
        carts=system.carts,
        entries=EntryStore(system.database),
        jobs=system.jobs,
        windows=WindowStore(system.database),
        recalls=RecallStore(system.database),
        shares=ShareStore(system.database),
        catalogue=Catalogue(system.database),
        volume=volume,
        archive=archive,
        bundles=system.bundles,
        uploads=system.uploads,
        queue=system.queue,
        pull_pool=ThreadPoolExecutor(settings.pull_concurrency, thread_name_prefix="pull"),
        store_pool=ThreadPoolExecutor(settings.pull_concurrency, thread_name_prefix="store"),
        upload_pool=ThreadPoolExecutor(settings.upload_concurrency, thread_name_prefix="upload"),
        clock=system.database.clock,
    )
    ending = Ending(parts)
    reader, recall, window = ReadManifest(parts), Recall(parts), WindowJob(parts)

    def read(lease: Lease) -> None:
        reader.run(lease)
        begin(lease)

    def begin(lease: Lease) -> None:
        work = recall.run(lease)
        if work is not None:
            window.run(lease, work)

    def resume(lease: Lease) -> None:
        window.run(lease, window.load(lease.job))

    handlers: dict[str, Handler] = {
        jobs.MANIFEST: read,
        jobs.RECALL: begin,
        jobs.WINDOW: resume,
        jobs.CLEANUP: ending.clean_up,
        jobs.ASSIST: Assist(parts).run,
        jobs.RECONCILE: Reconcile(parts).run,
    }
    consumer = Consumer(
        system.database,
        system.jobs,
        system.queue,
        handlers,
        ending,
        slots=settings.job_concurrency,
        lease=settings.lease,
        visibility=settings.visibility,
    )
    return Worker(consumer, parts)
