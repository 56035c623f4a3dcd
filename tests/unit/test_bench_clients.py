"""The benchmark's clients count correctly and detect a wrong tar."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench import head_load
from bench.client import CartClient, fetch, redirect_of
from bench.files import File, make, remove_links
from bench.tarcheck import problem

CONTENT = {"d/a.bin": b"alpha" * 1000, "d/b.bin": b"", "c.bin": b"gamma"}


class FakeCart(BaseHTTPRequestHandler):
    """A cart that becomes ready at the third poll, and tars at /NAME.tar."""

    protocol_version = "HTTP/1.1"
    tars: Mapping[str, bytes] = {}
    polls = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._respond(201)

    def do_HEAD(self) -> None:
        type(self).polls += 1
        self._respond(204, {"X-Pacifica-Status": "ready" if self.polls >= 3 else "staging"})

    def do_GET(self) -> None:
        if self.path == "/cart":
            self._respond(302, {"Location": f"http://{self.headers['Host']}/good.tar"})
        else:
            self._respond(200, body=self.tars[self.path])

    def log_message(self, *_: object) -> None:
        """Keep access logs out of the test output."""

    def _respond(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[str]:
    FakeCart.polls = 0
    FakeCart.tars = {
        "/good.tar": tar_of({f"uid/{name}": content for name, content in CONTENT.items()}),
        "/rootless.tar": tar_of(CONTENT),
        "/wrong.tar": tar_of(CONTENT | {"c.bin": b"gamme"}),
        "/short.tar": tar_of({name: CONTENT[name] for name in ("c.bin", "d/b.bin")}),
        "/more.tar": tar_of(CONTENT | {"stray.bin": b"x"}),
        "/cut.tar": tar_of(CONTENT)[:3000],
    }
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), FakeCart)
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def tar_of(content: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def manifest() -> list[File]:
    return [
        File(name, name, len(content), hashlib.sha1(content, usedforsecurity=False).hexdigest())
        for name, content in CONTENT.items()
    ]


@pytest.mark.parametrize("name", ["cart", "good.tar", "rootless.tar"])
def test_a_correct_tar_passes_with_and_without_a_root_directory(server: str, name: str) -> None:
    assert problem(f"{server}/{name}", manifest()) == ""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wrong.tar", "c.bin has the wrong content"),
        ("short.tar", "lacks 1 of 3 files"),
        ("more.tar", "contains stray.bin"),
        ("cut.tar", "cannot be read"),
    ],
)
def test_a_wrong_tar_is_reported_with_its_first_difference(server: str, name: str, message: str) -> None:
    assert message in problem(f"{server}/{name}", manifest())


def test_a_cart_is_polled_until_it_is_ready(server: str) -> None:
    client = CartClient(server)

    assert client.post("cart", manifest()) > 0
    outcome = client.wait("cart", 10)
    client.close()

    assert (outcome.status, outcome.polls) == ("ready", 3)


def test_waiting_for_a_cart_that_never_ends_times_out_with_its_last_status(server: str) -> None:
    FakeCart.polls = -1_000
    client = CartClient(server)

    outcome = client.wait("cart", 0.03)
    client.close()

    assert outcome.status == "still staging after 0 s"


def test_a_download_follows_the_redirect(server: str) -> None:
    out = io.BytesIO()

    assert fetch(f"{server}/cart", out) == len(FakeCart.tars["/good.tar"])
    assert out.getvalue() == FakeCart.tars["/good.tar"]
    assert redirect_of(f"{server}/cart") == f"{server}/good.tar"
    assert redirect_of(f"{server}/good.tar") == f"{server}/good.tar"


def test_the_load_generator_counts_every_response(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    head_load.main([f"{server}/cart", "3", "50"])

    figures = json.loads(capsys.readouterr().out)
    assert (FakeCart.polls, figures["failed"]) == (50, 0)
    assert figures["per_second"] > 0
    assert figures["median_ms"] <= figures["p99_ms"]


def test_every_repetition_uses_its_own_ids_for_the_same_bytes(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    source = make(archive, 1_000, 3)

    first, second = source.take("one", 2), source.take("two", 2)

    assert not {file.archive_id for file in first} & {file.archive_id for file in second}
    assert [file.digest for file in first] == [file.digest for file in second]
    for file in first:
        content = (archive / file.archive_id).read_bytes()
        assert hashlib.sha1(content, usedforsecurity=False).hexdigest() == file.digest
    remove_links(archive)
    assert len(list(archive.iterdir())) == 3
