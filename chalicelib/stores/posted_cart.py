"""A cart as its POST leaves it, known without reading its row. Pure."""

from __future__ import annotations

import time

from chalicelib.stores.cart_row import Cart, CartState
from chalicelib.stores.manifest_row import ManifestRow


def posted_cart(cart_id: int, owner: str, uid: str, manifest: ManifestRow, request: str) -> Cart:
    """Its times are this process's, where the row has the database's."""
    now = time.time()
    return Cart(
        id=cart_id,
        owner=owner,
        uid=uid,
        live=1,
        state=CartState.WAITING,
        message="",
        root=manifest.root,
        digest=manifest.digest,
        uploaded=int(manifest.uploaded),
        names=manifest.names,
        sums=manifest.sums,
        attempt=1,
        upload_id="",
        part_size=0,
        files_total=manifest.files,
        files_staged=0,
        bytes_total=0,
        bytes_staged=0,
        windows_total=0,
        windows_staged=0,
        windows_done=0,
        bundle_size=0,
        bundle_bytes=0,
        bundle_etag="",
        bundle_checksum="",
        created_at=now,
        staging_at=None,
        bundling_at=None,
        ended_at=None,
        used_at=now,
        url_until=0.0,
        cleared_at=None,
        request=request,
    )
