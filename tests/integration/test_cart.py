"""A cart from POST to tar, on both databases."""

from __future__ import annotations

from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import assert_ready, manifest


def test_a_cart_becomes_a_verified_tar(site: Site) -> None:
    files = {"a.txt": b"alpha", "empty": b"", "ünï.bin": bytes(range(256)) * 5000}
    for name, content in files.items():
        site.put(name, content)
    site.start_worker()
    site.system.service.create(ANYONE, "first", manifest(files))
    assert_ready(site, "first", files)
