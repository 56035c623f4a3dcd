"""The policy of a small site: a CSV file of groups, their members and their files. docs/policy.md has the format."""

from __future__ import annotations

import csv
import io
import logging
import os
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from chalicelib.errors import PolicyUnavailable, SettingsError
from chalicelib.policy.policy import Reader

HEADER = ["group", "kind", "value"]
EVERYBODY = "*"  # the group that everyone is in
LARGEST = 64 << 20  # bytes

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Group:
    files: set[str] = field(default_factory=set)
    prefixes: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Groups:
    """`of_member`: the groups of each owner that the file names."""

    by_name: dict[str, _Group] = field(default_factory=dict)
    of_member: dict[str, set[str]] = field(default_factory=dict)

    def allowed(self, reader: Reader, archive_ids: Collection[str]) -> set[str]:
        names = {EVERYBODY, *reader.groups, *self.of_member.get(reader.owner, ())}
        groups = [self.by_name[name] for name in names if name in self.by_name]
        prefixes = tuple(prefix for group in groups for prefix in group.prefixes)
        return {one for one in archive_ids if one.startswith(prefixes) or any(one in group.files for group in groups)}


class GroupFile:
    """Thread-safe. The file is read again when it has changed."""

    asks = True

    def __init__(self, path: str) -> None:
        """Raises SettingsError if the file cannot be read."""
        self._path = path
        self._lock = threading.Lock()
        try:
            self._read = self._stamp(), self._load()
        except (OSError, ValueError) as error:
            raise SettingsError([f"POLICY_FILE: {error}"]) from error

    def refused(self, reader: Reader, archive_ids: Sequence[str]) -> Collection[str]:
        return set(archive_ids) - self._current().allowed(reader, archive_ids)

    def _current(self) -> Groups:
        """What the file says now. A file that became unreadable allows nothing, not what it said before."""
        with self._lock:
            try:
                stamp = self._stamp()
                if stamp != self._read[0]:
                    self._read = stamp, self._load()
            except (OSError, ValueError) as error:
                log.error("POLICY_FILE cannot be read: %s", error)
                raise PolicyUnavailable from error
            return self._read[1]

    def _stamp(self) -> tuple[int, int, int]:
        found = os.stat(self._path)
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _load(self) -> Groups:
        with open(self._path, "rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"is larger than {LARGEST} bytes")
        return parsed(content.decode("utf-8-sig"))


def parsed(text: str) -> Groups:
    """Raises ValueError that names the line."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    groups = Groups()
    try:
        if next(rows, None) != HEADER:
            raise ValueError(f"line 1: must be {','.join(HEADER)}")
        for row in rows:
            if row:
                _add(groups, row, rows.line_num)
    except csv.Error as error:
        raise ValueError(f"line {rows.line_num}: {error}") from error
    return groups


def _add(groups: Groups, row: Sequence[str], line: int) -> None:
    if len(row) != len(HEADER) or not all(row):
        raise ValueError(f"line {line}: must have a group, a kind and a value")
    name, kind, value = row
    if kind == "member":
        groups.of_member.setdefault(value, set()).add(name)
    elif kind == "file":
        group = groups.by_name.setdefault(name, _Group())
        if value.endswith("*"):
            group.prefixes.add(value[:-1])
        else:
            group.files.add(value)
    else:
        raise ValueError(f"line {line}: kind must be member or file")
