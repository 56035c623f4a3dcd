"""A site as compose.production.yml runs it, reached by its host names with a certificate of a test authority."""

from __future__ import annotations

import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.compose.engine import ROOT, Engine
from tests.e2e.local_system import free_port

CART, STORE = "cart.example.test", "store.example.test"
START_TIMEOUT = 240.0
PEM = serialization.Encoding.PEM


class Site:
    """`folder` has its secrets and certificates, as site/ has in production."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.folder = folder
        self._https, self._http = free_port(), free_port()
        environ = {
            "SITE": str(folder / "site"),
            "ENV_FILE": str(folder / "env"),
            "CART_HOST": CART,
            "STORE_HOST": STORE,
            "AUTH": "token",
            "TLS": "/certs/cert.pem /certs/key.pem",
            "ARCHIVE_INTERFACE_URL": "http://archive.example.test:8080/",
            "LISTEN": "127.0.0.1",
            "HTTPS_PORT": str(self._https),
            "HTTP_PORT": str(self._http),
        }
        self.engine = engine.beside("cartsite", ["compose.production.yml", "tests/compose/archive.yml"], environ)
        self._make_folder()

    def up(self) -> None:
        """Start everything and wait until the API can work."""
        self.engine.compose("up", "-d")
        deadline = time.monotonic() + START_TIMEOUT
        while self.status(f"https://{CART}/-/readyz") != "200":
            assert time.monotonic() < deadline, "the site does not become ready"
            time.sleep(1)

    def down(self) -> None:
        """Remove it with its volumes."""
        self.engine.keep_logs()
        self.engine.compose("down", "-v")

    def replace(self) -> None:
        """An empty site with other passwords and another store's key takes its place."""
        self.down()
        for secret in (self.folder / "site" / "secrets").iterdir():
            secret.unlink()
        self._make_folder()
        self.up()

    def operate(self, *arguments: str) -> str:
        """Run a command as the operator does; its standard output."""
        return self.engine.podman("exec", *self.engine.containers("operator"), *arguments)

    def script(self, name: str, **variables: str) -> str:
        """Run a script of infra/compose; its output."""
        environ = {**self.engine.environ, "COMPOSE": " ".join(self.engine.compose_command()), **variables}
        done = subprocess.run(
            ["sh", f"infra/compose/{name}"], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def curl(self, url: str, *options: str) -> str:
        """The body; names lead to the proxy's ports."""
        port = self._https if url.startswith("https:") else self._http
        trust = ["--cacert", str(self.folder / "site" / "tls" / "ca.pem"), "--connect-to", f"::127.0.0.1:{port}"]
        command = ["curl", "-sS", "-m", "60", *trust, *options, url]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=90)
        return done.stdout

    def status(self, url: str, *options: str) -> str:
        """The status of the answer; 000 if there is none."""
        return self.curl(url, *options, "-o", "/dev/null", "-w", "%{http_code}")

    def _make_folder(self) -> None:
        command = ["sh", "infra/compose/new_site.sh", CART, STORE]
        subprocess.run(command, cwd=ROOT, env=self.engine.environ, check=True, capture_output=True, timeout=60)
        write_certificates(self.folder / "site" / "tls")


def write_certificates(folder: Path) -> None:
    """An authority's certificate, and one by it for both names, with its key."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate("test authority", authority, authority, x509.BasicConstraints(ca=True, path_length=None))
    names = x509.SubjectAlternativeName([x509.DNSName(CART), x509.DNSName(STORE)])
    own = _certificate("cart", key, authority, names)
    private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for name, content in (("ca.pem", root), ("cert.pem", own), ("key.pem", private)):
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o644)


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
) -> bytes:
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    by = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
    builder = x509.CertificateBuilder(by, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=30))
    return builder.add_extension(extension, critical=False).sign(issuer, hashes.SHA256()).public_bytes(PEM)
