"""A reused connection: bytes that come after an answer's end are never taken for the next answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from infra.local.archive_simulator import running_simulator
from tests.unit.scripted_archive import archive_at, nothing, recall, response, status_of, whole
from tests.unit.stepping_archive import (
    Script,
    Step,
    SteppingServer,
    content_of,
    good_get,
    good_head,
    honest,
    stepping_server,
)
from workers.archive.client import ArchiveClient

POISON = good_get(b"POISONED!".ljust(len(content_of("x"))))
POISON_HEAD = good_head("x").replace(b"1500000000", b"1400000000")


def chunked(content: bytes) -> bytes:
    return response("200 OK", b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content), Transfer_Encoding="chunked")


def announcing_a_body(head: bytes) -> bytes:
    return head[:-2] + b"Content-Length: %d\r\n\r\n" % len(POISON)


#: What a server at fault sends for an honest answer, and then.
FAULTS: dict[str, Callable[[str, bytes], tuple[bytes, bytes]]] = {
    "an answer nobody asked for": lambda method, answer: (answer, POISON),
    "an answer to HEAD nobody asked for": lambda method, answer: (answer, POISON_HEAD),
    "a Content-Length less than is sent": lambda method, answer: (answer, b"and more"),
    "a body after HEAD": lambda method, answer: (announcing_a_body(answer) if method == "HEAD" else answer, POISON),
    "a body after 200 to HEAD": lambda method, answer: (
        announcing_a_body(answer.replace(b"204 No Content", b"200 OK")) if method == "HEAD" else answer,
        POISON,
    ),
    "junk after the last chunk": lambda method, answer: (
        chunked(answer.partition(b"\r\n\r\n")[2]) if method == "GET" else answer,
        POISON,
    ),
    "the end of the connection": lambda method, answer: (answer, response("408 Too Late", Connection="close")),
}
#: Together with the answer, at once after it, or when the client has read it.
DELAYS = [None, 0.0, 0.03]

faults = pytest.mark.parametrize("fault", FAULTS)
delays = pytest.mark.parametrize("delay", DELAYS)


def faulty(fault: str, delay: float | None, methods: tuple[str, ...] = ("HEAD", "GET", "POST")) -> Script:
    def script(method: str, archive_id: str) -> Iterator[Step]:
        answer, extra = honest(method, archive_id), b""
        if method in methods and archive_id:
            answer, extra = FAULTS[fault](method, answer)
        if delay is None:
            yield answer + extra
            return
        yield answer
        yield delay
        yield extra

    return script


def settled(server: SteppingServer) -> None:
    """Wait until the server has sent everything, and the client's kernel has it."""
    assert server.idle.wait(5)
    time.sleep(0.005)


@faults
@delays
@pytest.mark.parametrize("first", [status_of, recall, whole])
def test_what_came_before_a_request_was_sent_is_never_its_answer(
    fault: str, delay: float | None, first: Callable[[ArchiveClient, str], object]
) -> None:
    with stepping_server(faulty(fault, delay)) as server, archive_at(server.url, concurrency=1) as archive:
        for number in range(3):
            first(archive, f"a-{number}")
            settled(server)
            assert whole(archive, f"b-{number}") == content_of(f"b-{number}")
            settled(server)
            assert status_of(archive, f"c-{number}").mtime_ns == 1_500_000_000_250_000_000
            settled(server)


@faults
@delays
def test_files_that_nothing_verifies_are_right_whatever_comes_after_other_answers(
    fault: str, delay: float | None
) -> None:
    """Here the extra bytes may come after the next request was sent, when nothing tells them from its answer."""
    ids = [f"file-{number}" for number in range(12)]
    with stepping_server(faulty(fault, delay)) as server, archive_at(server.url, concurrency=2) as archive:
        list(archive.statuses(ids, nothing))
        found = dict(archive.contents(dict.fromkeys(ids, 100), nothing, unverified=ids))
        assert found == {name: content_of(name) for name in ids}
        for name in ids[:3]:
            received = bytearray()
            archive.read(name, received.extend, nothing, unverified=True)
            assert received == content_of(name)


def test_one_connection_still_serves_many_requests() -> None:
    with stepping_server(lambda method, name: [honest(method, name)]) as server:
        with archive_at(server.url, concurrency=1) as archive:
            for number in range(5):
                status_of(archive, f"f-{number}")
                recall(archive, f"f-{number}")
                assert whole(archive, f"f-{number}") == content_of(f"f-{number}")
            list(archive.statuses([f"f-{number}" for number in range(20)], nothing))
        assert server.connections == 1


def test_a_connection_that_was_not_clean_is_replaced_and_the_new_one_kept() -> None:
    with stepping_server(faulty("an answer nobody asked for", 0.0, methods=("POST",))) as server:
        with archive_at(server.url, concurrency=1) as archive:
            recall(archive, "a")
            settled(server)
            for number in range(5):
                assert whole(archive, f"f-{number}") == content_of(f"f-{number}")
        assert server.connections == 2


def test_an_unverified_file_takes_a_connection_that_is_used_for_nothing_else() -> None:
    with running_simulator() as simulator:
        with archive_at(simulator.url, concurrency=1) as archive:
            names = [f"gen-100-{number}" for number in range(4)]
            assert len(dict(archive.contents(dict.fromkeys(names, 100), nothing, unverified=names[:3]))) == 4
            status_of(archive, names[0])
        assert simulator.stats()["connections"] == 3 + 1 + 1, "one is the request for these figures"
