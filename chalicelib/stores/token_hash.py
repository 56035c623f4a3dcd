"""How a token is stored: tokens are random and too long to guess, so one fast hash without a salt is enough. Pure."""

from __future__ import annotations

import hashlib


def hash_of(token: str) -> str:
    """Of any text, also one that has no UTF-8, as a client may send it."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
