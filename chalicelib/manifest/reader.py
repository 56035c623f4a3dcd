"""Reads manifests: JSON in, checked entries out. Pure.

Invariant: no path of an Entry leaves the bundle, and no archive id leaves the archive's URL. An error lists every
problem of the manifest with its place: `fileids[3].path: is empty`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, TypeVar

from chalicelib.errors import InvalidManifest
from chalicelib.manifest.checks import archive_id, entry_path, hash_hex, hash_name
from chalicelib.manifest.paths import PathTree, byte_length, check_name, kind

MAX_PROBLEMS = 100
UPLOAD_DIGEST = "upload-"  # how the digest of an uploaded manifest starts; that of a posted one is hexadecimal
MAX_NOTICE = 256  # bytes of a body that may be `{"manifest": "uploaded"}`

Checked = TypeVar("Checked")


class Entry(NamedTuple):
    """One file of a cart. `path` is relative to the root. An empty `hash_hex`: the file cannot be verified.

    `new_dirs`: the number of its parent directories, root included, that no earlier entry has.
    """

    archive_id: str
    path: str
    hash_name: str
    hash_hex: str
    new_dirs: int


class Manifest(NamedTuple):
    """`digest`: sha256 over the root and the entries; it does not depend on the manifest's formatting."""

    root: str
    entries: list[Entry]
    digest: str


def parse(body: bytes, uid: str) -> Manifest:
    """The manifest in `body`. If it names no root directory, `uid` is the root.

    Raises InvalidManifest with every problem.
    """
    document = _document(body)
    problems = Problems()
    root = problems.collect("root", _root, document, uid)
    reader = ManifestReader(root or uid, problems)
    raws = problems.collect("fileids", _file_ids, document)
    entries = [entry for entry in map(reader.add, raws or ()) if entry]
    if problems:
        raise InvalidManifest(problems.lines())
    return Manifest(reader.root, entries, reader.digest())


def is_upload_notice(body: bytes) -> bool:
    """Whether the body is `{"manifest": "uploaded"}`: the manifest itself is in the store."""
    if len(body) > MAX_NOTICE:
        return False
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("manifest") == "uploaded"


class Problems:
    """The problems of a manifest: the first hundred, and the number of the rest."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._more = 0

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, place: str, reason: str) -> None:
        if len(self._lines) < MAX_PROBLEMS:
            self._lines.append(f"{place}: {reason}")
        else:
            self._more += 1

    def collect(self, place: str, check: Callable[..., Checked], *arguments: Any) -> Checked | None:
        """The result of `check`; None if it raises ValueError, which becomes a problem at `place`."""
        try:
            return check(*arguments)
        except ValueError as error:
            self.add(place, str(error))
            return None

    def lines(self) -> list[str]:
        return [*self._lines, f"and {self._more} more"] if self._more else list(self._lines)


class ManifestReader:
    """Checks entries one by one. Keeps the paths' digests to find conflicts, not the entries."""

    def __init__(self, root: str, problems: Problems | None = None) -> None:
        self.root = root
        self.count = 0
        self._problems = Problems() if problems is None else problems
        self._tree = PathTree()
        self._hash = hashlib.sha256(f"{root}\n".encode())

    @property
    def problems(self) -> list[str]:
        """One line per problem; at most a hundred, then `and N more`."""
        return self._problems.lines()

    def add(self, raw: object) -> Entry | None:
        """The next entry; None if it has problems."""
        number = self.count
        self.count += 1
        if not isinstance(raw, dict):
            self._problems.add(f"fileids[{number}]", f"must be an object, not {kind(raw)}")
            return None
        file_id = self._field(number, "id", archive_id, raw)
        path = self._field(number, "path", entry_path, raw)
        new_dirs = None if path is None else self._field(number, "path", self._tree.claim, path, number)
        algorithm = self._field(number, "hashtype", hash_name, raw)
        digits = self._field(number, "hashsum", hash_hex, raw, algorithm)
        if file_id is None or path is None or new_dirs is None or algorithm is None or digits is None:
            return None
        entry = Entry(file_id, path, algorithm if digits else "", digits, new_dirs)
        # No field can contain a NUL or a line feed, so different manifests are different text.
        self._hash.update(f"{file_id}\0{path}\0{entry.hash_name}\0{digits}\n".encode())
        return entry

    def digest(self) -> str:
        return self._hash.hexdigest()

    def _field(self, number: int, name: str, check: Callable[..., Checked], *arguments: Any) -> Checked | None:
        return self._problems.collect(f"fileids[{number}].{name}", check, *arguments)


def _document(body: bytes) -> dict[str, Any]:
    try:
        # Some editors on Windows write a byte order mark.
        document = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise InvalidManifest([f"body: is not UTF-8 at byte {error.start}"]) from None
    except RecursionError:
        raise InvalidManifest(["body: is not a manifest: it is nested too deeply"]) from None
    except json.JSONDecodeError as error:
        raise InvalidManifest([f"body: is not JSON: {error}" if body.strip() else "body: is empty"]) from None
    except ValueError:
        raise InvalidManifest(["body: has a number that is infinite, NaN or thousands of digits long"]) from None
    if not isinstance(document, dict):
        raise InvalidManifest([f"body: must be an object, not {kind(document)}"])
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _file_ids(document: dict[str, Any]) -> list[object]:
    if "fileids" not in document:
        raise ValueError("is missing")
    raws = document["fileids"]
    if not isinstance(raws, list):
        raise ValueError(f"must be a list, not {kind(raws)}")
    if not raws:
        raise ValueError("is empty")
    return raws


def _root(document: dict[str, Any], uid: str) -> str:
    root = check_name(document.get("root", uid))
    byte_length(root)
    return root
