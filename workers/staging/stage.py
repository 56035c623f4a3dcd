"""Stages the files of one window: pulls and verifies them onto the volume.

A file that another job is pulling is left to that job; this one continues with its own files and checks again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from chalicelib.db.states import WaitsFor
from workers.files.file_spec import FileSpec
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer
from workers.staging.failed_files import FailedFiles
from workers.staging.file_actions import FileActions, decide_actions
from workers.staging.pull_batch import BatchPuller
from workers.staging.share_work import WorkSharing
from workers.staging.staging_run import StagingRecorder, StagingRun
from workers.staging.window_work import WindowWork
from workers.stores.staged_files import StagedFileStore


@dataclass(frozen=True, slots=True)
class StagingPolicy:
    """Times are in seconds."""

    #: between records of what was staged
    record_every: float = 3.0
    #: how often, and at what interval, this job checks for files that another job is pulling
    looks_at_others: int = 20
    look_at_others_every: float = 0.1


class Stager:
    def __init__(
        self,
        staged_files: StagedFileStore,
        puller: BatchPuller,
        sharing: WorkSharing,
        recorder: StagingRecorder,
        failed_files: FailedFiles,
        policy: StagingPolicy,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._staged_files = staged_files
        self._puller = puller
        self._sharing = sharing
        self._recorder = recorder
        self._failed_files = failed_files
        self._policy = policy
        self._clock = clock

    def stage(self, lease: Lease, work: WindowWork, actions: FileActions) -> Defer | None:
        """Stage all files of a reserved window and count it as staged.

        Returns Defer while the archive fails or another job pulls one of the files. Raises EntriesFailed and
        LayoutChanged.
        """
        run = StagingRun(lease, work, recorded_at=self._clock())
        run.done = {spec.archive_id for spec in actions.ready}
        run.staged_before = {spec.archive_id for spec in actions.verify}
        run.landing.tick = partial(self._record_if_due, run)
        for spec, result in self._puller.verify(lease, actions.verify, run.landing):
            run.add(spec, result)
            self._record_if_due(run)
        assisted = self._pull_or_share(run, actions.pull)
        if run.failing:
            self._recorder.record(run, self._clock())
            specs = work.specs()
            self._pull(run, [specs[name] for name in self._failed_files.retry_soon(run)])
        waits = self._wait_for_others(run, [*actions.wait, *assisted])
        if waits is not None:
            return waits
        if assisted:
            self._sharing.end(lease)
        if run.failing or run.refused:
            self._recorder.record(run, self._clock())
            return self._failed_files.settle(run)
        self._recorder.record_window(run, self._clock())
        return None

    def _pull_or_share(self, run: StagingRun, specs: Sequence[FileSpec]) -> list[FileSpec]:
        """Pull these files, together with assistants where that pays; return those assigned to assistants."""
        probed = self._sharing.policy.probed
        began = self._sharing.start_probe()
        self._pull(run, specs[:probed])
        rest = specs[probed:]
        if run.work.cart.windows_total == 1 and self._sharing.is_worthwhile(began, probed, len(rest)):
            return self._share(run, rest)
        self._pull(run, rest)
        return []

    def _share(self, run: StagingRun, specs: Sequence[FileSpec]) -> list[FileSpec]:
        """Pull these files together with assistants; return those assigned to assistants."""
        order, left = list(run.work.specs()), {spec.archive_id: spec for spec in specs}
        run.others = left
        self._sharing.begin(run.lease, order.index(specs[0].archive_id), len(order))
        for indexes in self._sharing.take(run.lease):
            self._pull(run, [left.pop(name) for name in order[indexes.start : indexes.stop] if name in left])
        return list(left.values())

    def _pull(self, run: StagingRun, specs: Iterable[FileSpec]) -> None:
        for spec, result in self._puller.pull(run.lease, specs, run.landing):
            run.add(spec, result)
            self._record_if_due(run)

    def _record_if_due(self, run: StagingRun) -> None:
        if self._clock() - run.recorded_at > self._policy.record_every:
            self._notice_others(run, list(run.others.values()))
            self._recorder.record(run, self._clock())
            run.recorded_at = self._clock()

    def _notice_others(self, run: StagingRun, specs: Sequence[FileSpec]) -> None:
        """Note those of these files, which other jobs pull, that are staged by now."""
        if specs:
            found = self._staged_files.find(spec.archive_id for spec in specs)
            for spec in decide_actions(run.lease.job.id, specs, found).ready:
                run.add_done(spec, dict(found[spec.archive_id].hashes))

    def _wait_for_others(self, run: StagingRun, specs: Sequence[FileSpec]) -> Defer | None:
        """Wait a short while for files that other jobs pull; Defer if some are still missing.

        None if all are staged, or if some files of the window have failed anyway: then the wait is cut short.
        """
        for _ in range(self._policy.looks_at_others):
            specs = [spec for spec in specs if spec.archive_id not in run.done]
            if not specs or run.failing or run.refused:
                return None
            run.lease.sleep(self._policy.look_at_others_every)
            self._notice_others(run, specs)
        self._recorder.record(run, self._clock())
        if any(spec.archive_id not in run.done for spec in specs):
            return Defer(1, WaitsFor.TURN, "another job is pulling some of these files")
        return None
