"""A receiver of webhooks with a certificate for its name, which no resolver knows; it verifies what it gets."""

from __future__ import annotations

import base64
import datetime
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import NameOID

NAME = "receiver.example.org"


@dataclass(frozen=True)
class Answer:
    """`hang`: seconds to wait before each of the answer's header lines, which never end. `endless`: so is its body."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: float = 0.0
    endless: bool = False


@dataclass
class Receiver:
    """`answers`: what it does next; 204 when there are none left."""

    port: int
    certificates: Path
    secure: bool
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{f'https://{NAME}' if self.secure else 'http://localhost'}:{self.port}/hook?key=1"


def verified(public_key: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The event, if its signature is right. `public_key`: whpk_ and base64."""
    version, _, signature = headers["webhook-signature"].partition(",")
    assert version == "v1a"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    key.verify(base64.b64decode(signature), signed)
    found: dict[str, Any] = json.loads(body)
    return found


@contextmanager
def running_receiver(folder: Path, *, secure: bool = True) -> Iterator[Receiver]:
    """Without `secure` it is at http://localhost."""
    certificate, key = _certificate(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    receiver = Receiver(server.server_address[1], certificate, secure)
    tls.sni_callback = lambda _, name, __: receiver.names.append(name)
    stopped = threading.Event()
    server.RequestHandlerClass = _handler(receiver, stopped)
    if secure:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield receiver
    stopped.set()
    server.shutdown()
    server.server_close()


def _handler(receiver: Receiver, stopped: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            answer = receiver.answers.pop(0) if receiver.answers else Answer()
            self.send_response(answer.status)
            while answer.hang and not stopped.wait(answer.hang):
                self.send_header("X-More", "x")
                self.flush_headers()
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):
                while answer.endless:
                    self.wfile.write(bytes(1 << 16))

        def log_message(self, *_: Any) -> None: ...

    return Handler


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - day).not_valid_after(now + day)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate, private = folder / "receiver.pem", folder / "receiver.key"
    certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private.write_bytes(key.private_bytes(*form))
    return certificate, private
