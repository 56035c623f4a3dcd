"""What shares out the volume's space, each object built once: a part of the worker's graph."""

from __future__ import annotations

from chalicelib.stores.space_account import SpaceAccountStore
from chalicelib.stores.waiting_windows import WaitingWindowStore
from chalicelib.wiring import System
from workers.files.volume import Volume
from workers.staging.eviction import Evictor
from workers.staging.free_space import FreeSpace
from workers.staging.release import SpaceReleaser
from workers.staging.reserve import Reserver
from workers.staging.waking import Waker
from workers.stores.evicted_files import EvictedFileStore
from workers.stores.shared_files import SharedFileStore
from workers.stores.staged_files import StagedFileStore
from workers.stores.windows import WindowStore


class SpaceGraph:
    def __init__(self, s: System, volume: Volume, windows: WindowStore, shared_files: SharedFileStore) -> None:
        database, clock = s.database, s.database.clock
        self.account = SpaceAccountStore(database)
        self.staged_files = StagedFileStore(database, self.account)
        self.evicted_files = EvictedFileStore(database, self.account)
        free_space = FreeSpace(self.account, volume)
        self.evictor = Evictor(s.jobs, self.account, self.evicted_files, volume, s.settings.lru_buffer_time, clock)
        waiting = WaitingWindowStore(database, s.settings.lease)
        waker = Waker(waiting, windows, self.account, self.evictor, free_space, s.queue)
        self.releaser = SpaceReleaser(
            s.entries, windows, self.account, self.staged_files, self.evicted_files, self.evictor, waker
        )
        self.reserver = Reserver(
            s.jobs,
            windows,
            self.account,
            self.staged_files,
            shared_files,
            volume,
            self.evictor,
            free_space,
            waker,
            clock,
        )
