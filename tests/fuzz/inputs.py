"""Generates broken and hostile inputs: requests, manifests and archive responses."""

from __future__ import annotations

import json
import random
from typing import Any

METHODS = (b"GET", b"HEAD", b"POST", b"DELETE", b"PUT", b"PATCH", b"OPTIONS", b"get", b"G" * 300, b"\0", b"")
TARGETS = (
    b"/", b"/uid", b"/uid/status", b"/uid/files?after=%s", b"/uid/manifest", b"//", b"/../../etc/passwd", b"/%2e%2e%2f",
    b"/uid?filename=%0d%0aX:1", b"/%00", b"/%ff%fe", b"*", b"http://other/uid", b"/" + b"a" * 5000, b"/uid#x", b"/u id",
    b"/uid/files?limit=-1", b"/uid?a=1&a=2&&=", b"/\xc3\xa9", b"/%e2%82%ac",
)  # fmt: skip
HEADERS = (
    b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 99999999999999999999", b"Content-Length: abc",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Content-Encoding: gzip",
    b"Expect: 100-continue",
    b"Host: a\x00b", b"Host:", b"X: " + b"y" * 9000, b"Content-Type: application/json; charset=\xff", b": empty",
    b"no colon",
    b" folded", b"Connection: close", b"Connection: upgrade", b"Range: bytes=0-1",
    b"X-Forwarded-For: '; DROP TABLE carts",
    b"Content-Type: multipart/form-data; boundary=x",
)  # fmt: skip
TEXTS = (
    "", "a", "../x", "/", "//", "a/../b", ".", "..", "a\0b", "a\nb", "é", "\ud800", "x" * 300, "a/" * 2000, " ", "a ",
    "%2e",
    "C:\\x", "CON", "caf\u00e9", "cafe\u0301", "CAF\u00c9", "SHA256SUMS", "sha256sums/a",
    "b.", "a:b", "~", "$(id)", "'; --", "\u202e", "a//b", "./a", "\t",
)  # fmt: skip
ODD: tuple[Any, ...] = (None, True, 0, -1, 1 << 70, 1.5, 1e300, [], {}, [[]], {"fileids": []})


def request(rng: random.Random) -> bytes:
    """A request, possibly malformed."""
    lines = [rng.choice(METHODS) + b" " + rng.choice(TARGETS) + b" " + _version(rng)]
    lines += [b"Host: localhost"] * (rng.random() < 0.9) + [rng.choice(HEADERS) for _ in range(rng.randint(0, 4))]
    body = manifest(rng) if rng.random() < 0.6 else rng.randbytes(rng.randint(0, 200))
    if rng.random() < 0.7:
        lines.append(b"Content-Length: %d" % len(body))
    whole = b"\r\n".join(lines) + b"\r\n\r\n" + body
    return _mutated(rng, whole) if rng.random() < 0.4 else whole


def manifest(rng: random.Random) -> bytes:
    """A manifest, possibly with errors."""
    entries: Any = [_entry(rng) for _ in range(rng.choice((0, 1, 2, 5)))]
    document: Any = {"fileids": entries if rng.random() < 0.9 else rng.choice(ODD)}
    if rng.random() < 0.2:
        document |= _options(rng)
    if rng.random() < 0.2:
        document = _options(rng) | document
    if rng.random() < 0.05:
        document = rng.choice(ODD)
    text = json.dumps(document, ensure_ascii=rng.random() < 0.5, indent=rng.choice((None, None, 1)))
    body = rng.choice((b"", b"", b"", b"\xef\xbb\xbf")) + text.encode("utf-8", "surrogatepass")
    return _mutated(rng, body) if rng.random() < 0.3 else body


def manifest_lines(rng: random.Random) -> bytes:
    """A manifest as JSON lines, possibly with errors."""
    lines: list[Any] = [_options(rng)] if rng.random() < 0.5 else []
    lines += [_entry(rng) for _ in range(rng.choice((1, 2, 5)))]
    ends = rng.choice(("\n", "\r\n", "\n\n", " \n", "\r"))
    text = ends.join(json.dumps(line, ensure_ascii=rng.random() < 0.5) for line in lines)
    body = rng.choice((b"", b"", b"\xef\xbb\xbf")) + text.encode("utf-8", "surrogatepass")
    return _mutated(rng, body) if rng.random() < 0.3 else body


def archive_answer(rng: random.Random) -> bytes:
    """A response of a broken or hostile archive."""
    status = rng.choice(
        (b"200 OK", b"204 No Content", b"302 Found", b"500 No", b"999 x", b"100 Continue", b"x", b"-1 y")
    )
    named = (b"X-Content-Length", b"Last-Modified", b"X-Pacifica-File-Storage-Media", b"Content-Length", b"Location",
             b"Content-Encoding", b"Transfer-Encoding", b"Connection", b"Set-Cookie")  # fmt: skip
    values = (b"0", b"11", b"-1", b"1e9", b"9" * 400, b"disk", b"tape", b"error", b"http://169.254.169.254/", b"gzip",
              b"chunked", b"\xff\x00", b"close", b"nan", b"1500000000.25", b"", b"Tue, 99 Foo 2026")  # fmt: skip
    lines = [b"HTTP/1.1 " + status, *(rng.choice(named) + b": " + rng.choice(values) for _ in range(rng.randint(0, 9)))]
    lines += [b"X-Many: 1"] * rng.choice((0, 0, 0, 150)) + [b"X-Long: " + b"z" * rng.choice((0, 70_000))]
    body = rng.choice(
        (b"", b"5\r\nhello\r\n0\r\n\r\n", b"hello world", b"ffffffff\r\n", b"\x1f\x8b\x08", bytes(100_000))
    )
    whole = b"\r\n".join(lines) + b"\r\n\r\n" + body
    return _mutated(rng, whole) if rng.random() < 0.3 else whole


def _entry(rng: random.Random) -> Any:
    if rng.random() < 0.05:
        return rng.choice(ODD)
    entry = {"id": _value(rng), "path": _value(rng), "hashtype": rng.choice(("sha1", "md5", "sha256", "crc32", "é"))}
    entry["hashsum"] = rng.choice(("", None, "0" * 40, "0" * 32, "zz", "0" * 41))
    if rng.random() < 0.2:
        del entry[rng.choice(sorted(entry))]
    return entry


def _options(rng: random.Random) -> dict[str, Any]:
    given = {"root": _value(rng), "names": rng.choice(("portable", "portable", None, "x", 1))}
    given["sums"] = rng.choice(("sha256", "sha256", None, "md5", []))
    return {key: value for key, value in given.items() if rng.random() < 0.5}


def _value(rng: random.Random) -> Any:
    plain = f"f{rng.randrange(1000)}"
    return rng.choice((plain, plain, plain, rng.choice(TEXTS), rng.choice(TEXTS) + plain, rng.choice(ODD)))


def _version(rng: random.Random) -> bytes:
    return rng.choice((b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/9.9", b"", b"HTTP/1.1 x"))


def _mutated(rng: random.Random, data: bytes) -> bytes:
    """`data` with bytes changed, removed, repeated or inserted."""
    changed = bytearray(data or b"x")
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        how = rng.randrange(4)
        if how == 0 and at < len(changed):
            changed[at] = rng.randrange(256)
        elif how == 1:
            del changed[at : at + rng.randint(1, 10)]
        elif how == 2:
            changed[at:at] = changed[at : at + rng.randint(1, 20)]
        else:
            changed[at:at] = rng.randbytes(rng.randint(1, 4))
        changed = changed or bytearray(b"x")
    return bytes(changed)
