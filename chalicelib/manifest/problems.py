"""The problems of a manifest, each with its place. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

MAX_PROBLEMS = 100

Checked = TypeVar("Checked")


class ProblemsBelow(ValueError):
    """What a check finds wrong at places within the value that it checks."""

    def __init__(self, found: Sequence[tuple[str, str]]) -> None:
        """`found`: how each place goes on from the value's, as in `.webhook`, and the reason."""
        super().__init__("; ".join(f"{place}: {reason}" for place, reason in found))
        self.found = found


class TooManyProblems(Exception):
    """More would not help, and reading on costs time."""


class Problems:
    """The first hundred problems of a manifest. `add` raises TooManyProblems for the next."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __bool__(self) -> bool:
        return bool(self.lines)

    def add(self, place: str, reason: str) -> None:
        if len(self.lines) == MAX_PROBLEMS:
            self.lines.append(f"and more: reading stopped after {MAX_PROBLEMS} problems")
            raise TooManyProblems
        self.lines.append(f"{place}: {reason}")

    def collect(self, place: str, check: Callable[..., Checked], *arguments: Any) -> Checked | None:
        """The result of `check`; None if it raises ValueError, which becomes a problem at `place`."""
        try:
            return check(*arguments)
        except ProblemsBelow as error:
            for below, reason in error.found:
                self.add(f"{place}{below}", reason)
            return None
        except ValueError as error:
            self.add(place, str(error))
            return None
