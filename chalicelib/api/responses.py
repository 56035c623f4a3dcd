"""Builds the HTTP responses that docs/api.md describes. HEAD and 204 never have a body."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from chalice.app import Response

from chalicelib.api.accept import preferred
from chalicelib.api.wait_sentences import sentence
from chalicelib.cart_views import CartStatus, Download
from chalicelib.service import Created
from chalicelib.stores.cart_history import Happened
from chalicelib.stores.cart_row import UNFINISHED, Cart, CartState
from chalicelib.stores.cart_waits import CartWait
from chalicelib.stores.progress import FilePage, FileProgress

Headers = dict[str, str | list[str]]

JSON_TYPE, HTML_TYPE = "application/json", "text/html"
JSON: Headers = {"Content-Type": JSON_TYPE}
STATUS, MESSAGE, PROGRESS = "X-Pacifica-Status", "X-Pacifica-Message", "X-Pacifica-Progress"
RETRY_AFTER = "5"  # seconds
MORE_HEADERS: dict[int, Headers] = {503: {"Retry-After": RETRY_AFTER}, 415: {"Accept-Encoding": "gzip"}}
LONGEST_HEADER = 512
#: Bytes of the files in one answer: API Gateway takes at most 6 MB from a Lambda, and a path may be 4,096 characters.
LARGEST_PAGE = 4 * 1024 * 1024
UNAVAILABLE = "unavailable"  # status on HEAD when the service failed: this says nothing about the cart
NOT_READY = "The cart is not ready for download."
#: A browser asks again, until it is redirected to the bundle.
NOT_READY_PAGE = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="{RETRY_AFTER}"><title>Not ready yet</title>
<p>{NOT_READY} This page asks again every {RETRY_AFTER} seconds; the download then begins by itself.</p></html>
"""
HEAD_STATUS: dict[str, int] = {CartState.READY: 204, CartState.ERROR: 500}


def document(status: int, body: dict[str, Any]) -> Response:
    return Response(status_code=status, body=json.dumps(body) + "\n", headers=JSON)


def created(cart: Created) -> Response:
    """The response to POST: where the cart is, in case the client did not mean this uid."""
    uid = cart.uid
    body = {
        "message": "Cart Processing has begun",
        "uid": uid,
        "status": f"/{uid}/status",
        "download": f"/{uid}",
        "warnings": list(cart.warnings),
    }
    response = document(201, body)
    response.headers = {**response.headers, "Location": f"/{uid}"}
    return response


def options(methods: Iterable[str]) -> Response:
    return Response(status_code=204, body="", headers={"Allow": ", ".join(sorted(methods))})


def failure(method: str, status: int, message: str) -> Response:
    """An error: JSON with status and message; on HEAD, the two headers."""
    more = MORE_HEADERS.get(status, {})
    if method == "HEAD":
        state = UNAVAILABLE if status >= 500 else CartState.ERROR.value
        return _bare(status, {STATUS: state, MESSAGE: header_value(message), **more})
    return Response(
        status_code=status,
        body=json.dumps({"status": CartState.ERROR, "message": message}) + "\n",
        headers={**JSON, **more},
    )


def state(cart: Cart, wait: CartWait | None = None) -> Response:
    """The response to HEAD: the cart's state, message and progress as headers. `wait`: what it waits for."""
    message = cart.message if cart.state == CartState.ERROR else ""
    headers: Headers = {STATUS: cart.state, MESSAGE: header_value(message), PROGRESS: _progress(cart, wait)}
    if cart.state in UNFINISHED:
        headers["Retry-After"] = RETRY_AFTER
    return _bare(HEAD_STATUS.get(cart.state, 202), headers)


def download(cart: Cart, bundle: Download | None, accept: str) -> Response:
    """The response to GET of a cart: where its bundle is, or why there is none."""
    if bundle is not None:
        return redirect(bundle)
    if cart.state == CartState.ERROR:
        return document(409, {"status": CartState.ERROR, "message": cart.message})
    return not_ready(cart, accept)


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


def not_ready(cart: Cart, accept: str) -> Response:
    """The response to GET of an unfinished cart.

    No body unless `accept` names a type: `curl -C -` would take it for the beginning of the tar.
    """
    kind = preferred(accept, (JSON_TYPE, HTML_TYPE))
    headers: Headers = {"Retry-After": RETRY_AFTER, STATUS: cart.state, MESSAGE: NOT_READY, "Vary": "Accept"}
    if kind == JSON_TYPE:
        body = json.dumps({"status": cart.state, "message": NOT_READY}) + "\n"
    elif kind == HTML_TYPE:
        body = NOT_READY_PAGE
    else:
        body = ""
    return Response(status_code=202, body=body, headers={**headers, "Content-Type": kind or "text/plain"})


def progress(status: CartStatus, *, with_process: bool = False) -> Response:
    """The response to GET /{uid}/status. `with_process`: its history names the process that did each thing."""
    cart, ready, wait = status.cart, status.cart.state == CartState.READY, status.wait
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
            "created": iso(cart.created_at),
            "staging": iso(cart.staging_at),
            "bundling": iso(cart.bundling_at),
            "ended": iso(cart.ended_at),
        },
        "seconds_left": status.seconds_left,
        "waiting_for": wait.waits_for if wait else None,
        "since": iso(wait.since) if wait else None,
        "waiting": sentence(wait, status.counts) if wait else None,
        "bundle": _bundle(cart) if ready else None,
        "names": cart.names,
        "sums": cart.sums,
        "warnings": list(status.warnings),
    }
    return document(200, body | _history(status.history, with_process))


def files(page: FilePage) -> Response:
    """The response to GET /{uid}/files: as many of the page's files as fit into one."""
    listed: list[dict[str, Any]] = []
    following, room = page.next, LARGEST_PAGE
    for file in page.files:
        row = _file(file)
        room -= len(json.dumps(row)) + 2
        if room < 0 and listed:
            following = file.position - 1
            break
        listed.append(row)
    message = {"message": page.message} if page.message else {}
    return document(200, {"files": listed, "next": following, **message})


def _file(file: FileProgress) -> dict[str, Any]:
    return {
        "path": file.path,
        "id": file.archive_id,
        "state": file.state,
        "size": file.size,
        "error": file.error,
        "reason": file.reason,
    }


def header_value(text: str) -> str:
    """`text` as one line of at most 512 printable ASCII characters."""
    line = "".join(char if " " <= char <= "~" else "?" for char in " ".join(text.split()))
    return line if len(line) <= LONGEST_HEADER else line[: LONGEST_HEADER - 3] + "..."


def _history(history: Sequence[Happened] | None, with_process: bool) -> dict[str, Any]:
    """Names of processes contain those of hosts, which are not for every client."""
    if history is None:
        return {}
    rows = [{"at": iso(row.at), "event": row.event, "cause": row.cause, "process": row.process} for row in history]
    kept = ("at", "event", "cause", *(("process",) if with_process else ()))
    return {"history": [{name: row[name] for name in kept} for row in rows]}


def _bundle(cart: Cart) -> dict[str, Any]:
    return {"size": cart.bundle_size, "etag": cart.bundle_etag, "checksum": cart.bundle_checksum}


def iso(at: float | None) -> str | None:
    """As in JSON: UTC, with milliseconds."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _progress(cart: Cart, wait: CartWait | None) -> str:
    staged = cart.files_total if cart.state == CartState.READY else cart.files_staged
    files, size = f"files={staged}/{cart.files_total}", f"bytes={cart.bytes_staged}/{cart.bytes_total}"
    waits = f"; waiting_for={wait.waits_for}; since={iso(wait.since)}" if wait else ""
    return f"{files}; {size}; bundled={cart.bundle_bytes}/{cart.bundle_size}{waits}"


def _bare(status: int, headers: Headers) -> Response:
    return Response(status_code=status, body="", headers={**headers, "Content-Type": "application/json"})
