"""Names that Windows, or a file system that ignores case, cannot hold: warnings, or problems if so asked. Pure."""

from __future__ import annotations

import re

from chalicelib.manifest.paths import shown
from chalicelib.manifest.problems import MAX_PROBLEMS

LONGEST = 260  # characters of UTF-16, the longest path that most Windows software opens
MAX_FINDINGS = MAX_PROBLEMS + 1  # so that more than MAX_PROBLEMS are noticed if they are problems
MAX_WARNINGS = 20

_FORBIDDEN = re.compile(r'[<>:"|?*]')
_DEVICES = ("con", "prn", "aux", "nul", "com[0-9¹²³]", "lpt[0-9¹²³]", r"conin\$", r"conout\$")
# Written out, since re.IGNORECASE takes 8 times as long.
_DEVICE = f"(?:{'|'.join(re.sub('[a-z]', lambda one: f'[{one[0]}{one[0].upper()}]', name) for name in _DEVICES)})"
_IS_DEVICE = re.compile(rf"{_DEVICE} *(?:\.|$)")
#: Finds all that the checks of segments find, in one search of a whole path.
_SUSPECT = re.compile(rf'[<>:"|?*]|[. ](?:/|$)|(?:^|/){_DEVICE} *(?:[./]|$)')


class PortableNames:
    """Collects what is not portable in the paths of a manifest: each such name once."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._more = 0
        self._seen: set[str] = set()
        self._of_length = [0] * (LONGEST + 1)  # paths of this length or, at the end, above
        self._longest = (0, "")  # length and place

    def look_at(self, number: int, path: str, *, new_folders: bool) -> None:
        """Record the path of entry `number`. `new_folders`: whether no earlier path had all of its folders."""
        length = len(path) if path.isascii() else _units(path)
        self._of_length[min(length, LONGEST)] += 1
        if length > self._longest[0]:
            self._longest = length, f"fileids[{number}].path"
        fresh = path if new_folders else path[path.rfind("/") + 1 :]
        if _SUSPECT.search(fresh):
            for segment in fresh.split("/"):
                self._look_at_segment(f"fileids[{number}].path", segment)

    def equal_but_for_case(self, number: int, path: str, other: int) -> None:
        self._add(
            f"fileids[{number}].path: {shown(path)} differs only in case from a name in fileids[{other}].path;"
            " Windows and macOS take them for one"
        )

    def findings(self, root: str) -> tuple[list[str], int]:
        """The first lines, each with its place, and how many more there are. To be called once."""
        self._look_at_segment("root", root)
        over = sum(self._of_length[max(0, LONGEST - _units(root)) :])
        if over:
            length = self._longest[0] + 1 + _units(root)
            others = f"; {over - 1} more are over {LONGEST}" if over > 1 else ""
            self._add(
                f"{self._longest[1]}: is {length} characters long with the root, over Windows' {LONGEST}{others}",
            )
        return self._found, self._more

    def _look_at_segment(self, place: str, segment: str) -> None:
        reason = _objection(segment)
        if not reason or segment in self._seen:
            return
        if len(self._seen) < MAX_FINDINGS:
            self._seen.add(segment)
        self._add(f"{place}: {shown(segment)} {reason}")

    def _add(self, line: str) -> None:
        if len(self._found) < MAX_FINDINGS:
            self._found.append(line)
        else:
            self._more += 1


def warnings_of(found: list[str], more: int) -> list[str]:
    """At most MAX_WARNINGS of the findings, and the number of the rest."""
    more += max(0, len(found) - MAX_WARNINGS)
    return [*found[:MAX_WARNINGS], *([f"and {more} more"] if more else [])]


def _objection(segment: str) -> str:
    if bad := _FORBIDDEN.search(segment):
        return f"contains {bad[0]!r}, which Windows does not allow"
    if _IS_DEVICE.match(segment):
        return "is the name of a device on Windows"
    return "ends in a dot or a space, which Windows drops" if segment[-1] in ". " else ""


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
