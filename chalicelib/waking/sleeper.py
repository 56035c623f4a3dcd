"""One worker's sleep, which others can end."""

from __future__ import annotations

import math
import os
import select
import uuid
from contextlib import suppress

from chalicelib.waking.wake_directory import ASLEEP, AWAKE, WakeDirectory

ALL = 1 << 16  # bytes: what a pipe holds


class Sleeper:
    """For one thread, besides `nudge`. If the directory does not work, only `nudge` and the time end a sleep."""

    def __init__(self, directory: WakeDirectory) -> None:
        self._directory = directory
        name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"  # containers have the same process ids
        self._asleep, self._awake = (directory.path / f"{name}{state}" for state in (ASLEEP, AWAKE))
        self._nudged, self._nudge = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._pipe: int | None = None
        self._is_offered = False

    def prepare(self) -> None:
        """From now on others can wake this worker: what they commit later ends the next `sleep`."""
        try:
            if self._pipe is None:
                self._make_pipe()
            _drain(self._pipe)
            try:
                os.rename(self._awake, self._asleep)
            except FileNotFoundError:
                if not self._asleep.exists():  # somebody has emptied the directory
                    self._make_pipe()
                    os.rename(self._awake, self._asleep)
            self._is_offered = True
        except OSError as error:
            self._directory.failed(error)

    def sleep(self, seconds: float) -> bool:
        """Sleep for up to `seconds`, or until a nudge; whether another process woke this worker."""
        poll = select.poll()
        for pipe in (self._nudged, self._pipe):
            if pipe is not None:
                poll.register(pipe, select.POLLIN)
        ready = [pipe for pipe, _ in poll.poll(math.ceil(max(0.0, seconds) * 1000))]
        for pipe in ready:
            _drain(pipe)
        return self._pipe in ready

    def nudge(self) -> None:
        """Wake this worker, from its own process."""
        with suppress(BlockingIOError):
            os.write(self._nudge, b"!")

    def wake_up(self) -> None:
        """This worker is not to be woken any more. A wake-up that has come already is passed on."""
        if not self._is_offered:
            return
        self._is_offered = False
        try:
            os.rename(self._asleep, self._awake)
        except FileNotFoundError:
            self._directory.wake()
        except OSError as error:
            self._directory.failed(error)

    def close(self) -> None:
        """Leave the directory."""
        self.wake_up()
        if self._pipe is not None:
            self._awake.unlink(missing_ok=True)
            os.close(self._pipe)
            self._pipe = None

    def _make_pipe(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
        self._directory.path.mkdir(mode=0o770, parents=True, exist_ok=True)
        self._directory.remove_dead()
        new = self._awake.with_suffix(".new")  # until it has a reader, others would take it for a dead worker's
        os.mkfifo(new)
        os.chmod(new, 0o660)  # whatever the umask: others of the directory's group wake it
        # Also for writing: without a writer, a poll would return at once.
        self._pipe = os.open(new, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        os.rename(new, self._awake)


def _drain(pipe: int | None) -> None:
    if pipe is not None:
        with suppress(BlockingIOError):
            os.read(pipe, ALL)
