"""Runs checks side by side, each with a time limit, and says what failed and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from chalicelib.admin.bounded import Bounded, TookTooLong
from chalicelib.errors import CartError

LIMIT = 5.0  # seconds of each check


class Problem(Exception):
    """A check failed: `what` is wrong, and what to `do`."""

    def __init__(self, what: str, do: str) -> None:
        super().__init__(what)
        self.what = what
        self.do = do


@dataclass(frozen=True, slots=True)
class Check:
    """`run` returns what is well, in words, or raises Problem. `do`: what to do about a hang, or any other error."""

    name: str
    run: Callable[[], str]
    do: str


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check; `says`: what is well or wrong; `do`: void if all is well."""

    name: str
    ok: bool
    says: str
    do: str
    seconds: float


def run_checks(checks: Iterable[Check], limit: float = LIMIT) -> Sequence[Finding]:
    """All findings, in the order of the checks, after about `limit` seconds at most."""
    begun = [(check, Bounded(check.run)) for check in checks]
    return [_finding(check, running, limit) for check, running in begun]


def _finding(check: Check, running: Bounded[str], limit: float) -> Finding:
    def wrong(what: str, do: str) -> Finding:
        return Finding(check.name, False, what, do, running.seconds)

    try:
        return Finding(check.name, True, running.result(limit), "", running.seconds)
    except TookTooLong:
        return wrong(f"no answer within {limit:g} s: it hangs", check.do)
    except Problem as problem:
        return wrong(problem.what, problem.do)
    except CartError as error:
        return wrong(" ".join(error.message.split()), check.do)
    except Exception as error:  # whatever it is, the other checks go on
        return wrong(f"{type(error).__name__}: {error}", check.do)
