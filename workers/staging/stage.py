"""The files of one window onto the volume, verified.

What was staged is recorded every few seconds, so that a crash costs little. A file another job is pulling is left to
it; this one gets on with its own and looks again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from chalicelib.errors import Retry
from chalicelib.stores.entries import CartEntry
from workers.archive.client import FileStatus
from workers.archive.retries import QUICK, Failures, failed
from workers.files.hashes import Hashes
from workers.runtime.lease import Lease
from workers.runtime.parallel import each
from workers.staging.asking import Asker
from workers.staging.file_actions import FileActions, FileSpec, sort
from workers.staging.parts import Parts, WindowWork
from workers.staging.pull_batch import pull_all
from workers.staging.pull_file import Failing, Outcome, Puller, Refused
from workers.staging.spread import PROBED, Pace, Spread
from workers.stores import windows

RECORDED_EVERY = 3.0  # seconds
TAPE_LOOK = 30.0  # seconds until a file that went back to tape is tried again
OTHERS_LOOKS, OTHERS_LOOK = 20, 0.1  # how often, and after how many seconds, this handler looks at another's pulls


@dataclass(slots=True)
class _Tally:
    """What the window's files have come to; `staged` and `hashed` are not recorded yet."""

    done: set[str] = field(default_factory=set)
    charged: set[str] = field(default_factory=set)  # staged before, whatever this window does to them
    staged: list[tuple[FileSpec, Hashes]] = field(default_factory=list)
    hashed: list[tuple[FileSpec, Hashes]] = field(default_factory=list)
    failing: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    recorded_at: float = field(default_factory=time.monotonic)


class Stager:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._failures = Failures(parts.settings.archive_patience, parts.archive.alive, parts.clock)
        self._asker = Asker(parts)
        self._spread = Spread(parts)

    def stage(self, lease: Lease, work: WindowWork, todo: FileActions) -> None:
        """Bring all files of a reserved window onto the volume and count it as staged.

        Raises Retry while the archive fails or another job pulls one of them, EntriesFailed, LayoutChanged.
        """
        tally = _Tally({want.archive_id for want in todo.ready}, {want.archive_id for want in todo.hash})
        self._verify(lease, work, todo.hash, tally)
        pace = Pace()
        self._pull(lease, work, todo.pull[:PROBED], tally)
        rest = todo.pull[PROBED:]
        left: list[FileSpec] = []
        if work.cart.windows_total == 1 and self._spread.pays(pace, PROBED, len(rest)):
            left = self._share(lease, work, rest, tally)
        else:
            self._pull(lease, work, rest, tally)
        self._pull_again(lease, work, tally)
        self._follow_others(lease, work, [*todo.wait, *left], tally)
        if left:
            self._spread.end(lease)
        self._end(lease, work, tally)

    def _verify(self, lease: Lease, work: WindowWork, staged: Sequence[FileSpec], tally: _Tally) -> None:
        puller = Puller(self._parts.archive, self._parts.volume, lease)
        most = self._parts.settings.pull_concurrency * 2
        for want, outcome in each(self._parts.pull_pool, puller.verify, staged, most, lease.check):
            self._note(work, tally, tally.hashed, want, outcome)

    def _share(self, lease: Lease, work: WindowWork, rest: Sequence[FileSpec], tally: _Tally) -> list[FileSpec]:
        """Pull these files together with assistants; those that fell to them."""
        order, mine = list(work.wanted()), {want.archive_id: want for want in rest}
        self._spread.call(lease, order.index(rest[0].archive_id), len(order))
        for indexes in self._spread.taken(lease):
            taken = [mine.pop(name) for name in order[indexes.start : indexes.stop] if name in mine]
            self._pull(lease, work, taken, tally)
        return list(mine.values())

    def _pull(self, lease: Lease, work: WindowWork, wanted: Iterable[FileSpec], tally: _Tally) -> None:
        for want, outcome in pull_all(self._parts, lease, wanted):
            self._note(work, tally, tally.hashed if want.archive_id in tally.charged else tally.staged, want, outcome)
            if time.monotonic() - tally.recorded_at > RECORDED_EVERY:
                self._record(lease, work, tally)

    def _note(
        self, work: WindowWork, tally: _Tally, fine: list[tuple[FileSpec, Hashes]], want: FileSpec, outcome: Outcome
    ) -> None:
        """Count what came of a file; one that is there goes to `fine`."""
        if isinstance(outcome, Failing):
            tally.failing[want.archive_id] = outcome.reason
        elif isinstance(outcome, Refused):
            tally.refused[want.archive_id] = outcome.reason
        else:
            tally.done.add(want.archive_id)
            fine.append((want, outcome))
            work.learn(want.archive_id, outcome)

    def _pull_again(self, lease: Lease, work: WindowWork, tally: _Tally) -> None:
        """The first retry of what failed, soon after; later ones are delayed jobs."""
        if not tally.failing:
            return
        self._failures.note(self._failing(work, tally))
        lease.sleep(QUICK)
        again = [want for want in work.wanted().values() if want.archive_id in tally.failing]
        tally.failing.clear()
        self._pull(lease, work, again, tally)

    def _follow_others(self, lease: Lease, work: WindowWork, waited: Sequence[FileSpec], tally: _Tally) -> None:
        for _ in range(OTHERS_LOOKS):
            waited = [want for want in waited if want.archive_id not in tally.done]
            if not waited or tally.failing or tally.refused:
                return
            lease.sleep(OTHERS_LOOK)
            known = self._parts.catalogue.known(want.archive_id for want in waited)
            for want in sort(lease.job.id, waited, known).ready:
                tally.done.add(want.archive_id)
                work.learn(want.archive_id, known[want.archive_id].hashes)
        self._record(lease, work, tally)
        if any(want.archive_id not in tally.done for want in waited):
            raise Retry(1, "another job is pulling some of these files")

    def _end(self, lease: Lease, work: WindowWork, tally: _Tally) -> None:
        if tally.failing or tally.refused:
            self._record(lease, work, tally)
            self._give_up_or_retry(lease, work, tally)
        self._record(lease, work, tally, last=True)

    def _give_up_or_retry(self, lease: Lease, work: WindowWork, tally: _Tally) -> None:
        back = self._back_on_tape(lease, tally)
        retry = self._failures.note([pair for pair in self._failing(work, tally) if pair[0].archive_id not in back])
        if back:
            retry = retry or Retry(TAPE_LOOK, "files went back to tape")
        if retry is None:
            for entry in work.entries:
                entry.error = tally.refused.get(entry.archive_id, entry.error)[:255]
        touched = [entry for entry in work.entries if entry.archive_id in tally.failing or entry.error]
        self._parts.jobs.fenced(lease.job, lambda: self._parts.entries.found(touched))
        count, first = self._parts.entries.errors(work.cart.id)
        if first is not None and retry is None:
            raise failed(count, work.cart.files_total, first)
        raise retry or Retry(1)

    def _back_on_tape(self, lease: Lease, tally: _Tally) -> set[str]:
        """Of the failing files those the archive has put back to tape since the recall; they are asked for again."""
        answers = dict(self._asker.ask(lease, tally.failing))
        back = {name for name, answer in answers.items() if isinstance(answer, FileStatus) and answer.media == "tape"}
        self._asker.recall(lease, back)
        return back

    def _failing(self, work: WindowWork, tally: _Tally) -> list[tuple[CartEntry, str]]:
        return [(entry, tally.failing[entry.archive_id]) for entry in work.entries if entry.archive_id in tally.failing]

    def _record(self, lease: Lease, work: WindowWork, tally: _Tally, last: bool = False) -> None:
        """Write down what was staged since the last time; with the last of it, the window is staged."""
        counted = [entry for entry in work.entries if entry.archive_id in tally.done]
        files, size = len(counted), sum(entry.size for entry in counted)
        more = (files - work.window.counted_files, size - work.window.counted_bytes)
        if not last and not tally.staged and not tally.hashed:
            return
        cart, number = work.cart, work.window.number

        def write() -> None:
            if tally.staged:
                self._parts.catalogue.staged(tally.staged)
            self._parts.catalogue.add_hashes(tally.hashed)
            if not last:
                self._parts.windows.counted(cart.id, number, files, size)
                self._parts.carts.count_staged(cart, *more)
            elif self._parts.windows.move(
                cart.id, number, (windows.RESERVED,), windows.STAGED, counted_files=files, counted_bytes=size
            ):
                self._parts.carts.window_staged(cart, *more)

        self._parts.jobs.progressed(lease.job, write)
        tally.staged, tally.hashed, tally.recorded_at = [], [], time.monotonic()
        work.window = replace(work.window, counted_files=files, counted_bytes=size)
