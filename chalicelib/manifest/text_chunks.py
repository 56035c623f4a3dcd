"""From a manifest's bytes to its text: UTF-8, with or without a byte order mark. Pure."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator

from chalicelib.manifest.gunzip import MAGIC

HEAD = 4096  # bytes in which other formats are recognised
_MAGICS = (
    (MAGIC, "is gzipped twice"),
    (b"PK\x03\x04", "looks like a zip file: send the manifest plain or gzipped"),
    (b"\x28\xb5\x2f\xfd", "looks like zstd: send the manifest plain or gzipped"),
    (b"\xfd7zXZ\x00", "looks like xz: send the manifest plain or gzipped"),
    *(
        (head, "looks like zlib, or deflate: send the manifest plain or gzipped")
        for head in (b"x\x01", b"x\x9c", b"x\xda")
    ),
    (b"BZh", "looks like bzip2: send the manifest plain or gzipped"),
    (codecs.BOM_UTF32_LE, "is not UTF-8 at byte 0: it begins as UTF-32 does; save it as UTF-8"),
    (codecs.BOM_UTF16_LE, "is not UTF-8 at byte 0: it begins as UTF-16 does; save it as UTF-8"),
    (codecs.BOM_UTF16_BE, "is not UTF-8 at byte 0: it begins as UTF-16 does; save it as UTF-8"),
)
_FORM = "looks like a form: send the manifest itself, as `curl -X POST --upload-file manifest.json` does"
_SHAPES = (
    (re.compile(rb"<"), "looks like HTML or XML: a manifest is JSON"),
    (re.compile(rb"--[^\r\n]*\r?\nContent-Disposition:", re.IGNORECASE), _FORM),
    (re.compile(rb"[\w.%+-]+=[^\r\n]*[\r\n]*\Z"), _FORM),
    (
        re.compile(rb"[^][{},;\x00-\x1f]+[,;\t]"),
        'looks like CSV: a manifest is JSON, {"fileids": [{"id": ..., "path": ...}]}',
    ),
)


class NotText(ValueError):
    """The bytes are not a manifest's text. The message says why."""


def chunks_of_text(blocks: Iterable[bytes]) -> Iterator[str]:
    """Raises NotText for what is not UTF-8, or is recognised as another format."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    read = 0
    for block in blocks:
        if not read:
            _refuse_foreign(block[:HEAD])
        pending = len(decoder.getstate()[0])
        fresh = block.removeprefix(codecs.BOM_UTF8) if not read else block
        read += len(block) - len(fresh)
        try:
            yield decoder.decode(fresh)
        except UnicodeDecodeError as error:
            raise _not_utf8(read - pending + error.start) from None
        read += len(fresh)
    pending = len(decoder.getstate()[0])
    if pending:
        raise _not_utf8(read - pending)


def _not_utf8(at: int) -> NotText:
    return NotText(f"is not UTF-8 at byte {at}")


def _refuse_foreign(head: bytes) -> None:
    for magic, reason in _MAGICS:
        if head.startswith(magic):
            raise NotText(reason)
    if 0 in head[:2]:
        raise NotText(f"is not UTF-8 at byte {head.index(0)}: it looks like UTF-16 or UTF-32; save it as UTF-8")
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    for shape, reason in _SHAPES:
        if shape.match(text):
            raise NotText(reason)
