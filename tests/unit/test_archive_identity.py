"""Who asks, as the archive sees it: the owner in a header, the service's token and its certificate."""

from __future__ import annotations

import datetime
import logging
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chalicelib.config.log_context import logged_with
from chalicelib.errors import ArchiveRefused, ArchiveUnavailable
from tests.unit.scripted_archive import GOOD_HEADERS
from workers.archive.client import ArchiveClient
from workers.archive.file_status import FileStatus
from workers.archive.identity import Identity

NAMED = Identity(token="archive-secret", owner_header="X-Remote-User")


class RecordingArchive:
    """Answers every request; `requests` has the method, the target, the owner's header and Authorization of each.

    `ids` has the request ids.
    """

    def __init__(self, status: int = 200, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, str, str | None, str | None]] = []
        self.ids: list[str | None] = []
        self.connections: set[int] = set()
        archive = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self) -> None:
                headers = self.headers
                archive.requests.append((self.command, self.path, headers["X-Remote-User"], headers["Authorization"]))
                archive.ids.append(headers["X-Request-Id"])
                archive.connections.add(self.client_address[1])
                body = b"hello world" if self.command == "GET" else b""
                self.send_response(status)
                for name, value in GOOD_HEADERS.items():
                    self.send_header(name, value)
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_HEAD = do_POST = do

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def archive() -> Iterator[RecordingArchive]:
    running = RecordingArchive()
    yield running
    running.close()


def client_of(archive: RecordingArchive, identity: Identity) -> ArchiveClient:
    return ArchiveClient(archive.url, concurrency=1, connect_timeout=5, read_timeout=5, identity=identity)


def nothing() -> None:
    pass


def test_each_request_for_a_cart_names_its_owner_and_the_service(archive: RecordingArchive) -> None:
    client = client_of(archive, NAMED).for_owner("ann")
    client.status("1", nothing)
    list(client.recalls(["2"], nothing))
    list(client.contents({"3": 11}, nothing))
    client.read("4", lambda block: None, nothing)
    assert [request[:2] for request in archive.requests] == [
        ("HEAD", "/1"),
        ("POST", "/2"),
        ("GET", "/3"),
        ("GET", "/4"),
    ]
    assert {request[2:] for request in archive.requests} == {("ann", "Bearer archive-secret")}


def test_whether_the_archive_lives_is_nobodys_request(archive: RecordingArchive) -> None:
    assert client_of(archive, NAMED).for_owner("ann").alive()
    assert archive.requests == [("GET", "/", None, "Bearer archive-secret")]


def test_owners_on_one_connection_are_not_mixed(archive: RecordingArchive) -> None:
    client = client_of(archive, NAMED)
    for owner in ("ann", "bob", "", "ann"):
        client.for_owner(owner).status("1", nothing)
    list(client.for_owner("bob").contents({"2": 11}, nothing, unverified={"2"}))
    client.for_owner("ann").status("1", nothing)
    assert [request[2] for request in archive.requests] == ["ann", "bob", None, "ann", "bob", "ann"]
    assert len(archive.connections) < len(archive.requests)


def test_each_request_for_a_cart_carries_the_id_of_the_request_that_posted_it(archive: RecordingArchive) -> None:
    client = client_of(archive, NAMED)
    with logged_with(request="5f3c", uid="a"):
        client.status("1", nothing)
        list(client.recalls(["2"], nothing))
        list(client.contents({"3": 11}, nothing))
        client.read("4", lambda block: None, nothing)
    with logged_with(request="77aa"):
        client.for_owner("ann").status("1", nothing)
    with logged_with(request="a\r\nX-Admin: 1"):
        client.status("1", nothing)
    client.status("1", nothing)
    assert archive.ids == ["5f3c"] * 4 + ["77aa", None, None]
    assert len(archive.connections) == 1


@pytest.mark.parametrize(
    ("owner", "header"),
    [
        ("https://issuer.example/#ann", "https://issuer.example/#ann"),
        ("a\r\nX-Admin: 1", "a%0D%0AX-Admin:%201"),
        ("ä 100%", "%C3%A4%20100%25"),
        ("\x00\x7f", "%00%7F"),
        ("\U0001f600", "%F0%9F%98%80"),
        (" ", "%20"),
    ],
)
def test_any_owner_is_one_line_of_visible_characters(archive: RecordingArchive, owner: str, header: str) -> None:
    client_of(archive, NAMED).for_owner(owner).status("1", nothing)
    assert archive.requests == [("HEAD", "/1", header, "Bearer archive-secret")]


def test_without_these_settings_the_archive_learns_nothing(archive: RecordingArchive) -> None:
    client_of(archive, Identity()).for_owner("ann").status("1", nothing)
    assert archive.requests == [("HEAD", "/1", None, None)]


def test_nothing_goes_to_where_the_archive_redirects_and_nothing_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    moved = RecordingArchive(status=307)
    try:
        with caplog.at_level(logging.DEBUG), pytest.raises(ArchiveRefused):
            client_of(moved, NAMED).for_owner("ann").status("1", nothing)
    finally:
        moved.close()
    assert len(moved.requests) == 1
    assert "archive-secret" not in caplog.text + repr(NAMED)


class Certificates:
    """A server's and a client's certificate, each its own authority, as PEM files."""

    def __init__(self, folder: Path) -> None:
        self.server, self.server_key = self._made(folder / "server")
        self.client, self.client_key = self._made(folder / "client")
        self.both = folder / "both.pem"
        self.both.write_bytes(self.client.read_bytes() + self.client_key.read_bytes())

    def context(self) -> ssl.SSLContext:
        """Of a server that lets in only who shows the client's certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server, self.server_key)
        context.load_verify_locations(self.client)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _made(self, stem: Path) -> tuple[Path, Path]:
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, stem.name)])
        here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        made = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(here, critical=False)
            .sign(key, hashes.SHA256())
        )
        certificate, private = stem.with_suffix(".pem"), stem.with_suffix(".key")
        pem = serialization.Encoding.PEM
        certificate.write_bytes(made.public_bytes(pem))
        plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        private.write_bytes(key.private_bytes(pem, *plain))
        return certificate, private


@pytest.fixture
def certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Certificates:
    made = Certificates(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.server))
    return made


def test_an_archive_that_wants_a_certificate_gets_it(certificates: Certificates) -> None:
    archive = RecordingArchive(context=certificates.context())
    try:
        apart = Identity(certificate=str(certificates.client), key=str(certificates.client_key))
        for identity in (apart, Identity(certificate=str(certificates.both))):
            assert isinstance(client_of(archive, identity).status("1", nothing), FileStatus)
            assert client_of(archive, identity).alive()
        with pytest.raises(ArchiveUnavailable):
            client_of(archive, Identity()).status("1", nothing)
        with pytest.raises(ArchiveUnavailable):
            client_of(archive, Identity(certificate=str(certificates.server), key=str(certificates.server_key))).status(
                "1", nothing
            )
    finally:
        archive.close()
