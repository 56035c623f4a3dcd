"""A progress bar of plain text: it moves on a terminal; elsewhere each new stage is a line."""

from __future__ import annotations

import sys
from typing import TextIO

WIDTH = 32


class ProgressBar:
    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._moves = out.isatty()
        self._stage = ""
        self._line = ""

    def show(self, stage: str, done: int, total: int, unit: str) -> None:
        filled = WIDTH * done // total if total else 0
        self._line = f"{stage:9} [{'#' * filled}{'.' * (WIDTH - filled)}] {done:,} of {total:,} {unit}"
        if self._moves:
            self._out.write(f"\r{self._line}\x1b[K")
        elif stage != self._stage:
            self._out.write(f"{self._line}\n")
        self._stage = stage
        self._out.flush()

    def end(self) -> None:
        """Leave the last state to be seen."""
        self._out.write("\n" if self._moves else f"{self._line}\n")
        self._out.flush()
