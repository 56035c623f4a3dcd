"""The simulated archive's responses: the archive interface's protocol, as steps that a connection executes.

Headers, statuses and quirks are those of the real one: `X-Pacifica-Messsage` has three s; HEAD answers 204; a missing
file answers 500 on every method, with a traceback in the body; a POST without Content-Length answers 411; GET has no
Content-Length, ignores Range and takes `?byte_range=start-stop`. The simulator is read-only. A GET of a file on tape
recalls it and responds once it is online, like a file system over tape. The only I/O here is reading the stored files;
the connection does the rest.

Outside the protocol: POST /_control (JSON: the faults to change), GET /_stats, POST /_reset (counters and tape).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import parse_qs, unquote

from infra.local.archive_simulator_faults import FaultDice, Faults, corrupted
from infra.local.archive_simulator_files import ArchiveFile, Chunk, find
from infra.local.archive_simulator_stats import Counters
from infra.local.archive_simulator_tape import Tape

TRACEBACK = "Traceback (most recent call last):\n  (simulated)\nArchiveInterfaceError: Can't open file\n"
COUNTED = {"HEAD": "heads", "POST": "recalls", "GET": "gets"}


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    target: str
    #: None when the request names no length.
    body: bytes | None
    close: bool


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: float


class End(Enum):
    """End the connection now, in this way."""

    CLOSE = "close"
    RESET = "reset"


Step = Chunk | Wait | End


class Simulator:
    def __init__(self, folder: Path | None, tape: Tape, faults: Faults) -> None:
        self.folder = folder
        self.tape = tape
        self.dice = FaultDice(faults)
        self.counters = Counters()

    def answer(self, request: Request) -> Iterator[Step]:
        path, _, query = request.target.partition("?")
        if path in ("/_control", "/_stats", "/_reset"):
            yield self._operate(path, request.body)
            return
        close = request.close or self.dice.faults.close_each
        self.counters.begin()
        try:
            yield from self._archive_answer(request, unquote(path[1:]), query, close)
        finally:
            self.counters.end()
        if close:
            yield End.CLOSE

    def control(self, changes: Mapping[str, object]) -> None:
        """Change faults and reseed the generator. Raises ValueError for an unknown or invalid fault."""
        try:
            self.dice = FaultDice(self.dice.faults.changed(changes))
        except (TypeError, AttributeError) as error:
            raise ValueError(str(error)) from error

    def reset(self) -> None:
        self.counters.reset()
        self.tape.reset()

    def _operate(self, path: str, body: bytes | None) -> bytes:
        if path == "/_stats":
            return _json("200 OK", self.counters.report())
        if path == "/_reset":
            self.reset()
            return _json("200 OK", {})
        try:
            self.control(json.loads(body or b"{}"))
        except ValueError as error:
            return _json("400 Bad Request", {"message": str(error)})
        return _json("200 OK", {})

    def _archive_answer(self, request: Request, archive_id: str, query: str, close: bool) -> Iterator[Step]:
        faults = self.dice.faults
        if faults.latency_ms:
            yield Wait(faults.latency_ms / 1000)
        if faults.down:
            yield _failure("503 Service Unavailable", request.method, close)
        elif not archive_id and request.method == "GET":
            yield _json("200 OK", {"message": "Pacifica Archive Interface Up and Running"}, close)
        elif not archive_id:
            yield _failure("404 Not Found", request.method, close)
        elif request.method not in COUNTED:
            yield _failure("405 Method Not Allowed", request.method, close)
        else:
            self.counters.count(archive_id, COUNTED[request.method])
            yield from self._file_answer(request, archive_id, query, close)

    def _file_answer(self, request: Request, archive_id: str, query: str, close: bool) -> Iterator[Step]:
        if request.method == "POST" and request.body is None:
            yield _failure("411 Length Required", "POST", True)
            yield End.CLOSE
            return
        fault = self.dice.draw(archive_id, body=request.method == "GET")
        if fault:
            self.counters.fault(fault)
        file = None if archive_id in self.dice.faults.missing else find(self.folder, archive_id)
        if fault == "error" or file is None:
            yield _failure("500 Internal Server Error", request.method, close)
        elif request.method == "GET":
            yield from self._get(archive_id, file, query, fault, close)
        else:
            yield from self._before_answering(fault)
            yield from (
                self._head(archive_id, file, close) if request.method == "HEAD" else self._post(archive_id, close)
            )

    def _before_answering(self, fault: str | None) -> Iterator[Step]:
        if fault == "stall":
            yield Wait(self.dice.faults.stall_seconds)
        elif fault == "reset":
            yield End.RESET

    def _head(self, archive_id: str, file: ArchiveFile, close: bool) -> Iterator[Step]:
        media = "disk" if self.tape.online(archive_id) else "tape"
        if archive_id in self.dice.faults.damaged:
            media = "error"
        levels = f"({file.size},)" if media == "disk" else f"(0, {file.size})"
        mtime = self.dice.faults.mtimes.get(archive_id, file.mtime)
        headers = {
            "Content-Type": "application/json",
            "X-Pacifica-Messsage": "File was found",
            "X-Content-Length": file.size,
            "Last-Modified": mtime,
            "X-Pacifica-Ctime": mtime,
            "X-Pacifica-Bytes-Per-Level": levels,
            "X-Pacifica-File-Storage-Media": media,
        }
        yield _head("204 No Content", headers, close)

    def _post(self, archive_id: str, close: bool) -> Iterator[Step]:
        left = self.tape.recall(archive_id)
        if left and self.dice.faults.recall_blocks:
            yield Wait(left)
        yield _json("200 OK", {"message": "File was staged", "file": archive_id}, close)

    def _get(self, archive_id: str, file: ArchiveFile, query: str, fault: str | None, close: bool) -> Iterator[Step]:
        try:
            start, stop = _byte_range(query, file.size)
        except ValueError:
            yield _failure("500 Internal Server Error", "GET", close)
            return
        left = self.tape.recall(archive_id)
        if left:
            yield Wait(left)
        yield _head("200 OK", {"Content-Type": "application/octet-stream", "Transfer-Encoding": "chunked"}, close)
        pause = self.dice.faults.drip.get(archive_id)
        for step in self._body(file, start, stop, fault) if pause is None else _dripped(file, start, stop, pause):
            yield from (step,) if isinstance(step, (Wait, End)) else self._framed(archive_id, step)
            if self.dice.faults.bandwidth and not isinstance(step, (Wait, End)):
                yield Wait(len(step) / self.dice.faults.bandwidth)
        yield b"0\r\n\r\n"

    def _body(self, file: ArchiveFile, start: int, stop: int, fault: str | None) -> Iterator[Step]:
        middle = start + (stop - start) * 3 // 5
        if fault in (None, "wrong"):
            whole = file.chunks(start, stop)
            yield from whole if fault is None else corrupted(whole, middle - start)
            return
        yield from file.chunks(start, middle)
        if fault == "stall":
            yield Wait(self.dice.faults.stall_seconds)
            yield from file.chunks(middle, stop)
        else:
            yield End.RESET if fault == "reset" else End.CLOSE

    def _framed(self, archive_id: str, chunk: Chunk) -> Iterator[Chunk]:
        self.counters.sent(archive_id, len(chunk))
        yield b"%x\r\n" % len(chunk)
        yield chunk
        yield b"\r\n"


def _byte_range(query: str, size: int) -> tuple[int, int]:
    """The requested start and stop, clipped to the file; the whole file by default. Raises ValueError."""
    ranges = parse_qs(query).get("byte_range")
    if not ranges:
        return 0, size
    start, stop = ranges[0].split("-")
    return min(int(start), size), max(min(int(start), size), min(int(stop), size))


def _dripped(file: ArchiveFile, start: int, stop: int, pause: float) -> Iterator[Step]:
    """A byte at a time."""
    for at in range(start, stop):
        yield from file.chunks(at, at + 1)
        yield Wait(pause)


def _head(status: str, headers: Mapping[str, object], close: bool) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Server: archive-simulator", *(f"{name}: {headers[name]}" for name in headers)]
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _json(status: str, content: object, close: bool = False) -> bytes:
    body = json.dumps(content).encode()
    return _head(status, {"Content-Type": "application/json", "Content-Length": len(body)}, close) + body


def _failure(status: str, method: str, close: bool) -> bytes:
    body = {"status": status, "message": "The archive failed.", "traceback": TRACEBACK, "version": "simulator"}
    answer = _json(status, body, close)
    return answer if method != "HEAD" else answer[: answer.index(b"\r\n\r\n") + 4]
