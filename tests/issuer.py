"""An issuer of JWTs for tests: its keys, its tokens, and the addresses where it publishes the keys."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

AUDIENCE = "cart"
Answer = Callable[[BaseHTTPRequestHandler], None]


class SigningKey:
    """`algorithm` says which kind of key."""

    def __init__(self, key_id: str, algorithm: str = "RS256", bits: int = 2048) -> None:
        self.key_id, self.algorithm = key_id, algorithm
        self.private: Any = _private(algorithm, bits)

    @property
    def public_pem(self) -> bytes:
        public: bytes = self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return public

    def public(self, **more: Any) -> dict[str, Any]:
        """As a member of a JWK set."""
        jwk = jwt.get_algorithm_by_name(self.algorithm).to_jwk(self.private.public_key(), as_dict=True)
        return {**jwk, "kid": self.key_id, "use": "sig", "alg": self.algorithm, **more}

    def secret(self) -> dict[str, Any]:
        return {**jwt.get_algorithm_by_name(self.algorithm).to_jwk(self.private, as_dict=True), "kid": self.key_id}


class Issuer:
    """Tokens of `name`, by default valid ones of alice for AUDIENCE."""

    def __init__(self, name: str = "https://id.example.org/", key: SigningKey | None = None) -> None:
        self.name = name
        self.key = key or SigningKey("first")

    def claims(self, **changed: Any) -> dict[str, Any]:
        """None removes a claim."""
        now = int(time.time())
        found = {"iss": self.name, "sub": "alice", "aud": AUDIENCE, "iat": now, "exp": now + 300, **changed}
        return {name: value for name, value in found.items() if value is not None}

    def token(self, headers: dict[str, Any] | None = None, key: SigningKey | None = None, **changed: Any) -> str:
        key = key or self.key
        payload = json.dumps(self.claims(**changed)).encode()
        named = {name: value for name, value in {"kid": key.key_id, **(headers or {})}.items() if value is not None}
        return jwt.PyJWS().encode(payload, key.private, key.algorithm, named)

    def jwks(self, *keys: SigningKey) -> bytes:
        return json.dumps({"keys": [key.public() for key in keys or (self.key,)]}).encode()


class IssuerServer:
    """`answers`: path -> how it is answered; `asked`: the paths of all requests so far."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[str] = []
        self.answers: dict[str, Answer] = {}

    def publish(self, jwks: bytes, issuer: str | None = None) -> None:
        described = {"issuer": issuer or self.url, "jwks_uri": f"{self.url}/keys"}
        self.answers["/.well-known/openid-configuration"] = answering(json.dumps(described).encode())
        self.answers["/keys"] = answering(jwks)


@contextmanager
def issuer_server() -> Iterator[IssuerServer]:
    """A server on loopback that answers 404 until somebody publishes."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            found.answers.get(self.path, answering(b"", 404))(self)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    found = IssuerServer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


def answering(body: bytes, status: int = 200, length: int | None = None, **headers: str) -> Answer:
    """`length`: in the header, if it is another than the body's."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"content-length": str(len(body) if length is None else length), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def hanging(until: threading.Event) -> Answer:
    """Takes the request and does not answer."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        until.wait(60)

    return answer


def endless(request: BaseHTTPRequestHandler) -> None:
    """Answers with 200 MB, as far as the client reads them."""
    request.send_response(200)
    request.end_headers()
    try:
        for _ in range(200):
            request.wfile.write(b" " * (1 << 20))
    except OSError:
        return


def _private(algorithm: str, bits: int) -> Any:
    if algorithm[:2] in ("RS", "PS"):
        return rsa.generate_private_key(65537, bits)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    curve = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}[algorithm]
    return ec.generate_private_key(curve)
