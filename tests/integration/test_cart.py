"""A cart from POST to tar, on both databases."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile

from tests.integration.conftest import Site


def manifest(files: dict[str, bytes], hash_name: str = "sha1") -> bytes:
    """A manifest of archive files of these names, each under `d/`."""
    entries = [
        {"id": name, "path": f"d/{name}", "hashtype": hash_name, "hashsum": hashlib.new(hash_name, content).hexdigest()}
        for name, content in files.items()
    ]
    return json.dumps({"fileids": entries}).encode()


def members(bundle: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(bundle)) as tar:
        return {item.name: tar.extractfile(item).read() for item in tar if item.isfile()}  # type: ignore[union-attr]


def test_a_cart_becomes_a_verified_tar(site: Site) -> None:
    files = {"a.txt": b"alpha", "empty": b"", "ünï.bin": bytes(range(256)) * 5000}
    for name, content in files.items():
        site.put(name, content)
    site.start_worker()
    site.system.service.create("", "first", manifest(files))
    cart = site.wait("first")
    assert (cart.state, cart.message) == ("ready", "")
    assert members(site.bundle("first")) == {f"first/d/{name}": content for name, content in files.items()}
