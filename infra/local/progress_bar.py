"""A plain-text progress bar: redrawn in place on a terminal, one line per stage elsewhere."""

from __future__ import annotations

import sys
from typing import TextIO

WIDTH = 32


class ProgressBar:
    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._stage = ""
        self._line = ""

    def show(self, stage: str, done: int, total: int, unit: str) -> None:
        filled = WIDTH * done // total if total else 0
        self._line = f"{stage:9} [{'#' * filled}{'.' * (WIDTH - filled)}] {done:,} of {total:,} {unit}"
        if self._is_terminal:
            self._out.write(f"\r{self._line}\x1b[K")
        elif stage != self._stage:
            self._out.write(f"{self._line}\n")
        self._stage = stage
        self._out.flush()

    def end(self) -> None:
        """Finish the line, leaving the last state visible."""
        self._out.write("\n" if self._is_terminal else f"{self._line}\n")
        self._out.flush()
