"""The one reader of manifests, for a request's body and for an upload: bytes in, checked entries out. Pure.

Invariant: no path of an Entry leaves the bundle, and no archive id leaves the archive's URL. What is accepted, and
which problems are named, depends on the bytes alone, not on the blocks they come in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from chalicelib.errors import InvalidManifest, TooManyEntries
from chalicelib.manifest.checks import archive_id, entry_path, hash_hex, hash_name
from chalicelib.manifest.checksum_file import CHECKSUM_FILES, reserved_for
from chalicelib.manifest.digests import Digests
from chalicelib.manifest.gunzip import BadGzip, unpacked
from chalicelib.manifest.json_stream import BODY, BrokenLine, ManifestStream
from chalicelib.manifest.json_values import TWICE, NotJson, RepeatedKeys
from chalicelib.manifest.options import CHECKS, PORTABLE, GivenOptions, Options
from chalicelib.manifest.path_tree import PathTree
from chalicelib.manifest.paths import kind, shown
from chalicelib.manifest.portable_names import PortableNames, warnings_of
from chalicelib.manifest.problems import MAX_PROBLEMS, Checked, Problems, TooManyProblems
from chalicelib.manifest.text_chunks import NotText, chunks_of_text
from chalicelib.manifest.text_window import TextWindow

FIELDS = ("id", "path", "hashtype", "hashsum")
NEAR_MISSES = ("file", "files", "fileid", "fileids")  # of `fileids`, in lower case, without - and _


class Entry(NamedTuple):
    """One file of a cart. `path` is relative to the root. An empty `hash_hex`: the file cannot be verified.

    `new_dirs`: the number of its parent directories, root included, that no earlier entry has.
    """

    archive_id: str
    path: str
    hash_name: str
    hash_hex: str
    new_dirs: int


class ManifestReader:
    """Reads one manifest, once. When `entries` is exhausted, the attributes are valid:

    `count`: of entries. `root`, `names`, `sums`, `notify`: the options that apply, wherever they stand. `warnings`:
    names that some systems cannot extract, in words. `digest`: sha256 over options and entries;
    formatting does not change it, nor does `notify`.
    `former_digest`: that of the release before, whose carts may still be live; "" if it had no such cart, or if `root`
    stands behind the entries: a reader that gets the root as `posted` knows it then.
    """

    def __init__(self, uid: str, max_entries: int, posted: Options | None = None) -> None:
        """`uid` is the root unless another is named. `posted`: options in the POST that binds an upload."""
        self.count = 0
        self.root, self.names, self.sums, self.notify = uid, "", "", ""
        self.digest = self.former_digest = ""
        self.warnings: list[str] = []
        self._uid = uid
        self._max_entries = max_entries
        self._folders = 0
        self._listed = False
        self._near_miss = ""
        self._line = ""  # how a place in JSON lines ends
        self._problems = Problems()
        self._options = GivenOptions(self._problems, posted)
        self._names = PortableNames()
        self._tree = PathTree(self._names.equal_but_for_case)
        self._reserved: list[tuple[str, str, str]] = []  # place, path and the option that would take its name
        self._digests = Digests()

    def entries(self, blocks: Iterable[bytes], limit: int) -> Iterator[Entry]:
        """The checked entries of a manifest, gzipped or not. After the first problem none come any more.

        Raises InvalidManifest at the end with every problem, or when there are a hundred; TooLarge if it unpacks to
        more than `limit` bytes; TooManyEntries.
        """
        window = TextWindow(chunks_of_text(unpacked(blocks, limit)))
        stream = ManifestStream(window)
        try:
            for key, value in stream.members():
                if key is not None:
                    self._on_member(key, value, stream.where)
                    continue
                if stream.line:
                    self._line = f" (line {stream.line})"
                entry = self._add(value)
                if entry is not None and not self._problems:
                    yield entry
            self._finish()
        except TooManyProblems:
            pass
        except NotJson as error:
            self._stop(stream.inside, str(error))
        except (BadGzip, NotText) as error:
            self._stop(BODY, str(error))
        if self._problems:
            raise InvalidManifest(self._problems.lines)

    def _on_member(self, key: str, value: Any, where: str) -> None:
        if key == "fileids":
            self._listed = True
            if not isinstance(value, list):
                self._problems.add("fileids", f"must be a list, not {kind(value)}")
        elif key in CHECKS:
            self._options.add(key, value, where)
        else:
            self._note_near_miss(key)

    def _note_near_miss(self, key: str) -> None:
        if not self._near_miss and key.lower().replace("_", "").replace("-", "") in NEAR_MISSES:
            self._near_miss = key

    def _add(self, raw: Any) -> Entry | None:
        """The next entry; None if it has problems."""
        number = self.count
        self.count += 1
        if number == self._max_entries:
            raise TooManyEntries(self._max_entries, "files")
        if not number:
            self._digests.begin(self._options.effective().root or self._uid)
        if not isinstance(raw, dict):
            reason = str(raw) if isinstance(raw, BrokenLine) else f"must be an object, not {kind(raw)}"
            self._problems.add(f"fileids[{number}]{self._line}", reason)
            return None
        if isinstance(raw, RepeatedKeys):
            self._refuse_repeated(number, raw)
        return self._checked(number, raw)

    def _checked(self, number: int, raw: dict[str, Any]) -> Entry | None:
        try:
            file_id, path = archive_id(raw), entry_path(raw)
            algorithm = hash_name(raw)
            digits = hash_hex(raw, algorithm)
            new_dirs = self._tree.claim(path, number)
        except ValueError:
            self._refuse(number, raw)
            return None
        self._folders += new_dirs
        if self._folders > self._max_entries:
            raise TooManyEntries(self._max_entries, "directories")
        self._names.look_at(number, path, new_folders=new_dirs > 0)
        self._look_at_name(number, path)
        entry = Entry(file_id, path, algorithm if digits else "", digits, new_dirs)
        self._digests.add(file_id, path, entry.hash_name, digits)
        return entry

    def _field(self, number: int, name: str, check: Callable[..., Checked], *arguments: Any) -> Checked | None:
        return self._problems.collect(f"fileids[{number}].{name}{self._line}", check, *arguments)

    def _refuse(self, number: int, raw: dict[str, Any]) -> None:
        """Find every problem of an entry that has one, field by field."""
        self._field(number, "id", archive_id, raw)
        path = self._field(number, "path", entry_path, raw)
        if path is not None:
            self._field(number, "path", self._tree.claim, path, number)
        algorithm = self._field(number, "hashtype", hash_name, raw)
        self._field(number, "hashsum", hash_hex, raw, algorithm)

    def _refuse_repeated(self, number: int, raw: RepeatedKeys) -> None:
        for key in raw.differing:
            if key in FIELDS:
                self._problems.add(f"fileids[{number}].{key}{self._line}", TWICE)

    def _look_at_name(self, number: int, path: str) -> None:
        sums = reserved_for(path)
        if sums and len(self._reserved) <= MAX_PROBLEMS:
            self._reserved.append((f"fileids[{number}].path{self._line}", path, sums))

    def _stop(self, inside: str | None, reason: str) -> None:
        """Add what ended the reading."""
        try:
            self._note_near_miss(inside or "")
            if self._near_miss and not self._listed:
                self._refuse_missing_list()
            place = f"fileids[{self.count}]" if inside is None else inside if inside.isidentifier() else shown(inside)
            self._problems.add(place, reason)
        except TooManyProblems:
            pass

    def _refuse_missing_list(self) -> None:
        hint = (
            f": there is a key {shown(self._near_miss)}; the list must be called 'fileids'" if self._near_miss else ""
        )
        self._problems.add("fileids", f"is missing{hint}")

    def _finish(self) -> None:
        if not self._listed:
            self._refuse_missing_list()
        elif not self.count and not self._problems:
            self._problems.add("fileids", "is empty")
        options = self._options.effective()
        self.root = options.root or self._uid
        self.names, self.sums, self.notify = options.names, options.sums, options.notify
        for place, path, sums in self._reserved:
            if sums == self.sums:
                self._problems.add(place, f"{shown(path)} takes the name of {CHECKSUM_FILES[sums]}, made by 'sums'")
        found, more = self._names.findings(self.root)
        if self.names == PORTABLE:
            for line in found:
                self._problems.add(*line.split(": ", 1))
        else:
            self.warnings = warnings_of(found, more)
        effective = Options(self.root, self.names, self.sums)
        self.digest, self.former_digest = self._digests.current(effective), self._digests.former(effective)
