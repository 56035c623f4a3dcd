"""Closes SeaweedFS to everybody but its own S3 server.

Without this, its filer lists and deletes bundles for anyone who can reach its port, and so do its master and its volume
server, over HTTP and gRPC. With it, each port but S3's wants a client certificate that only SeaweedFS itself has. S3
wants a signature, as before.

In a container: `python3 -m infra.local.store_security FOLDER weed ...` prepares the folder and execs the program there.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

SERVERS = ("master", "volume", "filer", "admin")
GRPC = (*SERVERS, "s3", "worker", "mq", "msg_broker", "msg_agent", "client")
LIFE = timedelta(days=36500)
CLOCKS_DIFFER = timedelta(days=1)


def prepare(folder: Path) -> Path:
    """Write `security.toml` into `folder`, where SeaweedFS must start; return the folder. Its key is made once."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    identity = folder / "store.pem"
    if not identity.exists():
        _write(identity, _new_identity())
    _write(folder / "security.toml", _configuration(identity).encode())
    return folder


def main(arguments: list[str]) -> None:
    os.umask(0o077)
    os.chdir(prepare(Path(arguments[0]).absolute()))
    os.execvp(arguments[1], arguments[1:])


def _configuration(identity: Path) -> str:
    pair = f'cert = "{identity}"\nkey = "{identity}"\n'
    authority = f'ca = "{identity}"\n'
    sections = [f"[grpc]\n{authority}"]
    sections += [f"[grpc.{name}]\n{pair}" for name in GRPC]
    sections += [f"[https.{name}]\n{pair}{authority}" for name in SERVERS]
    sections.append(f"[https.client]\nenabled = true\n{pair}{authority}")
    return "\n".join(sections)


def _new_identity() -> bytes:
    """A private key and its self-signed certificate, in PEM. It is server, client and authority in one."""
    # Imported here, because it takes 100 ms and is needed once in a home's life.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cart store")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - CLOCKS_DIFFER).not_valid_after(now + LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectAlternativeName(_hosts()), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def _hosts() -> list[Any]:
    """The names by which its components call each other."""
    from cryptography import x509

    return [x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")]


def _write(file: Path, content: bytes) -> None:
    """Write a file that only its owner can read; it is there as a whole or not at all."""
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as out:
        out.write(content)
    new.replace(file)


if __name__ == "__main__":
    main(sys.argv[1:])
