"""The worker's part of the wiring, over what chalicelib.wiring builds for everyone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from chalicelib.db import migrations
from chalicelib.stores.jobs import JobKind
from chalicelib.wiring import System
from workers.archive.client import ArchiveClient
from workers.files.volume import Volume
from workers.handlers.assist import Assist
from workers.handlers.cleanup import Ending
from workers.handlers.import_manifest import ImportManifest
from workers.handlers.recall import Recall
from workers.handlers.reconcile import Reconcile
from workers.handlers.window import WindowJob
from workers.runtime.consumer import Consumer, Handler
from workers.runtime.lease import Lease
from workers.staging.parts import Parts
from workers.stores.recalls import RecallStore
from workers.stores.shared_ranges import ShareStore
from workers.stores.staged_files import StagedFileStore
from workers.stores.windows import WindowStore


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
    archive = ArchiveClient(
        settings.archive_url,
        concurrency=settings.pull_concurrency,
        connect_timeout=settings.archive_connect_timeout,
        read_timeout=settings.archive_read_timeout,
    )
    parts = Parts(
        settings=settings,
        carts=system.carts,
        endings=system.endings,
        entries=system.entries,
        jobs=system.jobs,
        windows=WindowStore(system.database),
        recalls=RecallStore(system.database),
        shares=ShareStore(system.database),
        catalogue=StagedFileStore(system.database),
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
    reader, recall, window = ImportManifest(parts), Recall(parts), WindowJob(parts)

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
        JobKind.MANIFEST: read,
        JobKind.RECALL: begin,
        JobKind.WINDOW: resume,
        JobKind.CLEANUP: ending.clean_up,
        JobKind.ASSIST: Assist(parts).run,
        JobKind.RECONCILE: Reconcile(parts).run,
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
