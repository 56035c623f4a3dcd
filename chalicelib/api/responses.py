"""Builds the HTTP responses that docs/api.md describes. HEAD and 204 never have a body."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from chalice.app import Response

from chalicelib.service import CartStatus, Download
from chalicelib.stores.carts import UNFINISHED, Cart, CartState
from chalicelib.stores.progress import FilePage

Headers = dict[str, str | list[str]]

JSON: Headers = {"Content-Type": "application/json"}
STATUS, MESSAGE, PROGRESS = "X-Pacifica-Status", "X-Pacifica-Message", "X-Pacifica-Progress"
RETRY_AFTER = "5"  # seconds
LONGEST_HEADER = 512
UNAVAILABLE = "unavailable"  # status on HEAD when the service failed: this says nothing about the cart
HEAD_STATUS: dict[str, int] = {CartState.READY: 204, CartState.ERROR: 500}


def document(status: int, body: dict[str, Any]) -> Response:
    return Response(status_code=status, body=json.dumps(body), headers=JSON)


def failure(method: str, status: int, message: str) -> Response:
    """An error: JSON with status and message; on HEAD, the two headers."""
    retry: Headers = {"Retry-After": RETRY_AFTER} if status == 503 else {}
    if method == "HEAD":
        state = UNAVAILABLE if status >= 500 else CartState.ERROR
        return _bare(status, {STATUS: state, MESSAGE: header_value(message), **retry})
    return Response(
        status_code=status,
        body=json.dumps({"status": CartState.ERROR, "message": message}),
        headers={**JSON, **retry},
    )


def state(cart: Cart) -> Response:
    """The response to HEAD: the cart's state, message and progress as headers."""
    message = cart.message if cart.state == CartState.ERROR else ""
    headers: Headers = {STATUS: cart.state, MESSAGE: header_value(message), PROGRESS: _progress(cart)}
    if cart.state in UNFINISHED:
        headers["Retry-After"] = RETRY_AFTER
    return _bare(HEAD_STATUS.get(cart.state, 202), headers)


def redirect(bundle: Download) -> Response:
    return Response(
        status_code=302,
        body=f"The cart is ready: {bundle.url}\n",
        headers={
            "Location": bundle.url,
            "Content-Type": "text/plain",
            "Cache-Control": "no-store",
            "X-Pacifica-Bundle-Size": str(bundle.size),
            "X-Pacifica-Bundle-Etag": bundle.etag,
            "X-Pacifica-Bundle-Checksum": bundle.checksum,
        },
    )


def not_ready(cart: Cart) -> Response:
    return Response(
        status_code=202,
        body="The cart is not ready for download.",
        headers={"Content-Type": "text/plain", "Retry-After": RETRY_AFTER, STATUS: cart.state, MESSAGE: ""},
    )


def progress(status: CartStatus) -> Response:
    """The response to GET /{uid}/status."""
    cart, ready = status.cart, status.cart.state == CartState.READY
    body = {
        "uid": cart.uid,
        "status": cart.state,
        "message": cart.message,
        "files": {
            "total": cart.files_total,
            "on_tape": status.counts.on_tape,
            "staged": cart.files_total if ready else cart.files_staged,
            "bundled": status.counts.bundled,
        },
        "bytes": {
            "total": cart.bytes_total,
            "staged": cart.bytes_total if ready else cart.bytes_staged,
            "bundled": cart.bundle_bytes,
            "bundle": cart.bundle_size,
        },
        "times": {
            "created": _iso(cart.created_at),
            "staging": _iso(cart.staging_at),
            "bundling": _iso(cart.bundling_at),
            "ended": _iso(cart.ended_at),
        },
        "seconds_left": status.seconds_left,
        "bundle": _bundle(cart) if ready else None,
    }
    return document(200, body)


def files(page: FilePage) -> Response:
    """The response to GET /{uid}/files."""
    listed = [
        {"path": file.path, "id": file.archive_id, "state": file.state, "size": file.size, "error": file.error}
        for file in page.files
    ]
    return document(200, {"files": listed, "next": page.next})


def header_value(text: str) -> str:
    """`text` as one line of at most 512 printable ASCII characters."""
    line = "".join(char if " " <= char <= "~" else "?" for char in " ".join(text.split()))
    return line if len(line) <= LONGEST_HEADER else line[: LONGEST_HEADER - 3] + "..."


def _bundle(cart: Cart) -> dict[str, Any]:
    return {"size": cart.bundle_size, "etag": cart.bundle_etag, "checksum": cart.bundle_checksum}


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _progress(cart: Cart) -> str:
    staged = cart.files_total if cart.state == CartState.READY else cart.files_staged
    files, size = f"files={staged}/{cart.files_total}", f"bytes={cart.bytes_staged}/{cart.bytes_total}"
    return f"{files}; {size}; bundled={cart.bundle_bytes}/{cart.bundle_size}"


def _bare(status: int, headers: Headers) -> Response:
    return Response(status_code=status, body="", headers={**headers, "Content-Type": "application/json"})
