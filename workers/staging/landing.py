"""What has landed on the volume of the files that are being pulled."""

from __future__ import annotations

from collections.abc import Callable


class Landing:
    """Written by the threads that pull; read by the thread that counts."""

    def __init__(self, tick: Callable[[], None] = lambda: None) -> None:
        """`tick` is called in the counting thread, about once a second and whenever a large file is done."""
        self.tick = tick
        self._bytes: dict[str, int] = {}

    def landed(self, archive_id: str, size: int) -> None:
        """The first `size` bytes of a file have landed."""
        self._bytes[archive_id] = size

    def ended(self, archive_id: str) -> None:
        """The file is staged, or was given up."""
        self._bytes.pop(archive_id, None)

    def total(self) -> int:
        return sum(self._bytes.copy().values())
