"""What a route checks of a request's body before its manifest is read. Every refusal is BodyTooLarge or BadRequest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from chalicelib.errors import BadRequest, BodyTooLarge
from chalicelib.manifest.gunzip import MAGIC

BLOCK = 1 << 16
CODINGS = ("gzip", "x-gzip", "identity", "")  # x-gzip is gzip: RFC 9110, 8.4.1.3
JSON_STARTS = (b"{", b"[", b"\xef\xbb\xbf", b'"', MAGIC)
MALFORMED = "body: it is truncated or malformed"
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


class UnsupportedCoding(BadRequest):
    """The body's Content-Encoding is not known."""


def read(environ: Mapping[str, Any], limit: int) -> bytes:
    """The body that a WSGI server hands over, of at most `limit` bytes.

    Only where the server says that its input ends is it read to the end: elsewhere it may be the bare connection.
    """
    source: IO[bytes] = environ["wsgi.input"]
    try:
        length = _length(environ.get("CONTENT_LENGTH") or "0")
        if length > limit:
            _discard(source, min(length, 2 * limit))
            raise BodyTooLarge(limit)
        if environ.get("wsgi.input_terminated"):
            body: bytes = source.read(limit + 1)
        elif "HTTP_TRANSFER_ENCODING" in environ:
            raise BadRequest("body: this server takes none in chunks; send it with Content-Length")
        elif len(body := source.read(length)) < length:
            raise BadRequest(MALFORMED)
    except (BadRequest, BodyTooLarge):
        raise
    except Exception as error:  # each server has its own exceptions for such a body
        raise BadRequest(MALFORMED) from error
    if len(body) > limit:
        raise BodyTooLarge(limit)
    return body


def checked(body: bytes, headers: Mapping[str, str], limit: int) -> bytes:
    """The body as it came: at most `limit` bytes, plain or gzipped, and not a form."""
    if len(body) > limit:
        raise BodyTooLarge(limit)
    if not body.startswith(MAGIC):  # gzip is known by its first bytes, whatever the header says
        _check_coding(headers.get("content-encoding", ""))
        _check_form(body, headers.get("content-type", ""))
    return body


def _length(header: str) -> int:
    if not header.isascii() or not header.isdigit():
        raise BadRequest(MALFORMED)
    return int(header)


def _check_coding(header: str) -> None:
    codings = [coding.strip().lower() for coding in header.split(",")]
    unknown = any(coding not in CODINGS for coding in codings)
    if unknown or sum(coding in ("gzip", "x-gzip") for coding in codings) > 1:
        raise UnsupportedCoding(f"Content-Encoding: {header.strip()[:100]} is not supported; send gzip or no encoding")


def _check_form(body: bytes, content_type: str) -> None:
    """curl -d calls every body a form, so only a body that cannot be JSON is one."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in FORMS and body.strip() and not body.lstrip().startswith(JSON_STARTS):
        raise BadRequest(
            f"body: is not JSON but a form ({kind}); send the manifest itself: curl -X POST --upload-file FILE URL"
        )


def _discard(source: IO[bytes], most: int) -> None:
    """Read up to `most` bytes of a refused body: a client that is still sending does not read the response."""
    while most > 0 and (block := source.read(min(most, BLOCK))):
        most -= len(block)
