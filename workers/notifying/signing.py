"""Signs webhooks as Standard Webhooks says, with ed25519: a receiver verifies, and cannot forge for another."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chalicelib.config.notify_parsers import KEY_PREFIX
from chalicelib.errors import SettingsError

SEED = 32  # bytes; some programs write the public key behind it


class Signer:
    def __init__(self, key: str) -> None:
        """`key`: NOTIFY_SIGNING_KEY. Raises SettingsError if its second half is not its public key."""
        content = base64.b64decode(key.removeprefix(KEY_PREFIX))
        self._private = Ed25519PrivateKey.from_private_bytes(content[:SEED])
        public = self._private.public_key().public_bytes_raw()
        if content[SEED:] not in (b"", public):
            raise SettingsError(["NOTIFY_SIGNING_KEY: its public key does not belong to its private key"])
        self.public_key = base64.b64encode(public).decode()

    def headers(self, event_id: str, now: float, body: bytes) -> Mapping[str, str]:
        """`now`: seconds since the epoch; receivers refuse what is old."""
        time = str(int(now))
        signature = self._private.sign(f"{event_id}.{time}.".encode() + body)
        signed = f"v1a,{base64.b64encode(signature).decode()}"
        return {"webhook-id": event_id, "webhook-timestamp": time, "webhook-signature": signed}
