"""The manifest a cart is posted with: JSON in, checked entries out. Pure.

Invariant: nothing in an Entry can leave the bundle (path) or the archive's URL (archive id), and everything that is
wrong with a manifest is told at once, each problem led by its place: `fileids[3].path: is empty`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, TypeVar

from chalicelib.errors import InvalidManifest, InvalidUid
from chalicelib.manifest.paths import PathTree, byte_length, check_name, check_path, check_text, kind, shown

MAX_ID = 255
MAX_PROBLEMS = 100
SHORT = 256
UID = re.compile(r"[A-Za-z0-9._-]{1,255}")
HEX = re.compile(r"[0-9a-f]*")
#: Hash name -> digits of its hex form. Guaranteed by hashlib and of fixed length, so no shake_*.
HASH_DIGITS = {
    name: 2 * hashlib.new(name, usedforsecurity=False).digest_size
    for name in sorted(hashlib.algorithms_guaranteed)
    if not name.startswith("shake_")
}

Checked = TypeVar("Checked")


class Entry(NamedTuple):
    """One file of a cart. `path` lies below the root; no `hash_hex` means that the file cannot be verified.

    `new_dirs`: how many of its parent directories, counted from the innermost and with the root as the last, no
    earlier entry has.
    """

    archive_id: str
    path: str
    hash_name: str
    hash_hex: str
    new_dirs: int


class Manifest(NamedTuple):
    """`digest`: sha256 over the root and the entries, the same however the manifest was written down."""

    root: str
    entries: list[Entry]
    digest: str


def parse(body: bytes, uid: str) -> Manifest:
    """The manifest in `body` of the cart `uid`, which names the root directory where the manifest does not.

    Raises InvalidManifest with all that is wrong.
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


def is_uploaded(body: bytes) -> bool:
    """Whether the body says, instead of being one, that the manifest was uploaded: `{"manifest": "uploaded"}`."""
    if len(body) > SHORT:
        return False
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("manifest") == "uploaded"


def check_uid(uid: str) -> str:
    if not UID.fullmatch(uid) or uid in (".", ".."):
        raise InvalidUid
    return uid


class Problems:
    """What is wrong with a manifest: the first hundred in words, the rest as a number."""

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
        """What `check` returns, or None when it raised ValueError, whose reason is a problem at `place`."""
        try:
            return check(*arguments)
        except ValueError as error:
            self.add(place, str(error))
            return None

    def lines(self) -> list[str]:
        return [*self._lines, f"and {self._more} more"] if self._more else list(self._lines)


class ManifestReader:
    """Checks entries one by one, keeping only what it needs to tell that two of them get in each other's way."""

    def __init__(self, root: str, problems: Problems | None = None) -> None:
        self.root = root
        self.count = 0
        self._problems = Problems() if problems is None else problems
        self._tree = PathTree()
        self._hash = hashlib.sha256(f"{root}\n".encode())

    @property
    def problems(self) -> list[str]:
        """One line each; at most a hundred, then `and N more`."""
        return self._problems.lines()

    def add(self, raw: object) -> Entry | None:
        """The next entry, or None when it is wrong; `problems` then has the reasons."""
        number = self.count
        self.count += 1
        if not isinstance(raw, dict):
            self._problems.add(f"fileids[{number}]", f"must be an object, not {kind(raw)}")
            return None
        archive_id = self._field(number, "id", _archive_id, raw)
        path = self._field(number, "path", _path, raw)
        new_dirs = path and self._field(number, "path", self._tree.claim, path, number)
        hash_name = self._field(number, "hashtype", _hash_name, raw)
        hash_hex = self._field(number, "hashsum", _hash_hex, raw, hash_name)
        if archive_id is None or path is None or not isinstance(new_dirs, int) or hash_name is None or hash_hex is None:
            return None
        entry = Entry(archive_id, path, hash_name if hash_hex else "", hash_hex, new_dirs)
        # No field can hold a NUL or a line feed, so no two manifests are the same text.
        self._hash.update(f"{archive_id}\0{path}\0{entry.hash_name}\0{hash_hex}\n".encode())
        return entry

    def digest(self) -> str:
        return self._hash.hexdigest()

    def _field(self, number: int, name: str, check: Callable[..., Checked], *arguments: Any) -> Checked | None:
        return self._problems.collect(f"fileids[{number}].{name}", check, *arguments)


def _document(body: bytes) -> dict[str, Any]:
    try:
        # A byte order mark is what some editors on Windows put first.
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


def _path(raw: dict[str, Any]) -> str:
    if "path" not in raw:
        raise ValueError("is missing")
    return check_path(raw["path"])


def _archive_id(raw: dict[str, Any]) -> str:
    if "id" not in raw:
        raise ValueError("is missing")
    given = raw["id"]
    if isinstance(given, int) and not isinstance(given, bool):
        if not -(10 ** (MAX_ID - 1)) < given < 10**MAX_ID:  # not by str(), which refuses thousands of digits
            raise ValueError(f"is longer than {MAX_ID} bytes")
        return str(given)
    if not isinstance(given, str):
        raise ValueError(f"must be an integer or a string, not {kind(given)}")
    if byte_length(check_text(given)) > MAX_ID:
        raise ValueError(f"is longer than {MAX_ID} bytes: {shown(given)}")
    for bad in ("/", "?", "#", ".."):
        if bad in given:
            raise ValueError(f"must not contain {bad!r}: {shown(given)}")
    if given == ".":
        raise ValueError("must not be '.'")
    if given.endswith(" "):  # MySQL takes it for the same key as without
        raise ValueError(f"must not end in a space: {shown(given)}")
    return given


def _hash_name(raw: dict[str, Any]) -> str:
    given = raw.get("hashtype")
    if _absent(given):
        if _absent(raw.get("hashsum")):
            return ""
        raise ValueError("is missing, but there is a hashsum")
    if not isinstance(given, str):
        raise ValueError(f"must be a string, not {kind(given)}")
    name = given.lower()
    if name not in HASH_DIGITS:
        raise ValueError(f"{shown(given)} is not one of {', '.join(HASH_DIGITS)}")
    return name


def _hash_hex(raw: dict[str, Any], hash_name: str | None) -> str:
    given = raw.get("hashsum")
    if _absent(given):
        return ""
    if not isinstance(given, str):
        raise ValueError(f"must be a string, not {kind(given)}")
    digits = given.lower()
    if not HEX.fullmatch(digits):
        raise ValueError(f"is not hexadecimal: {shown(given)}")
    if hash_name and len(digits) != HASH_DIGITS[hash_name]:
        raise ValueError(f"has {len(digits)} digits where {hash_name} has {HASH_DIGITS[hash_name]}")
    return digits


def _absent(given: object) -> bool:
    """`null` and `false` are what an existing client sends for a file without a hash."""
    return given is None or given is False or given == ""
