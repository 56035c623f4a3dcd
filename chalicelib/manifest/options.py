"""The options of a manifest: `root`, `names`, `sums` and `notify`. Pure.

They stand beside `fileids`, in the first of JSON lines, or in the POST that binds an upload: one rule for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chalicelib.manifest.checksum_file import CHECKSUM_FILES
from chalicelib.manifest.notify_option import check_notify
from chalicelib.manifest.paths import check_name, kind, shown
from chalicelib.manifest.problems import Problems

PORTABLE = "portable"
IN_POST = "in the POST"


@dataclass(frozen=True, slots=True)
class Options:
    """`root`: the bundle's root directory. `names`: "" or `portable`. `sums`: "" or `sha256`. "" is not given.

    `notify`: whom to tell, as JSON; it changes nothing in the bundle, so it is in no digest.
    """

    root: str = ""
    names: str = ""
    sums: str = ""
    notify: str = ""


class GivenOptions:
    """Collects the options of a manifest from all places where they may stand. null counts as not given."""

    def __init__(self, problems: Problems, posted: Options | None = None) -> None:
        self._problems = problems
        self._given: dict[str, tuple[str, str]] = {}  # name -> value, and where it stands
        if posted:
            self._given = {name: (value, IN_POST) for name in CHECKS if (value := getattr(posted, name))}

    def add(self, name: str, given: object, where: str) -> None:
        """Record an option, a key of CHECKS, that stands at `where`. An invalid or different value is a problem."""
        if given is None:
            return
        value = self._problems.collect(name, CHECKS[name], given)
        if value is None:
            return
        before, place = self._given.setdefault(name, (value, where))
        if before != value:
            self._problems.add(name, f"is {shown(before)} {place} and {shown(value)} {where}")

    def effective(self) -> Options:
        return Options(**{name: value for name, (value, _) in self._given.items()})


def _one_of(known: Mapping[str, object]) -> Callable[[object], str]:
    def check(given: object) -> str:
        if not isinstance(given, str):
            raise ValueError(f"must be a string, not {kind(given)}")
        if given not in known:
            raise ValueError(f"{shown(given)} is not one of {', '.join(known)}")
        return given

    return check


#: Option -> the check of its value.
CHECKS: dict[str, Callable[[object], str]] = {
    "root": check_name,
    "names": _one_of({PORTABLE: ""}),
    "sums": _one_of(CHECKSUM_FILES),
    "notify": check_notify,
}
