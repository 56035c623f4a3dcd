"""Check of `doctor`: the archive."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from chalicelib.admin.checks import Check, Problem
from chalicelib.config.settings import Settings

TIMEOUTS = (2.0, 4.0)  # seconds: to connect, and until the answer
ARCHIVE = "Is the archive up, and is ARCHIVE_INTERFACE_URL its address? Carts wait for it, until CART_DEADLINE."


def archive_checks(settings: Settings) -> Iterator[Check]:
    yield Check("archive", lambda: _archive(settings), ARCHIVE)


def _archive(settings: Settings) -> str:
    """As workers do before they blame a file: `GET /` must answer 200. Not by libcurl, which the API's image lacks."""
    import requests

    place = _place(settings.archive_url)
    token = {"Authorization": f"Bearer {settings.archive_token}"} if settings.archive_token else {}
    certificate = (settings.archive_client_cert, settings.archive_client_key or settings.archive_client_cert)
    started = time.monotonic()
    try:
        with requests.get(
            settings.archive_url,
            headers=token,
            timeout=TIMEOUTS,
            stream=True,
            allow_redirects=False,
            cert=certificate if settings.archive_client_cert else None,
        ) as answer:
            status = answer.status_code
    except requests.Timeout as error:
        what = "does not answer: it hangs" if isinstance(error, requests.ReadTimeout) else "cannot be connected to"
        raise Problem(f"{place} {what}", ARCHIVE) from error
    except (requests.RequestException, OSError) as error:
        raise Problem(f"{place} cannot be reached: {type(error).__name__}", ARCHIVE) from error
    if status != 200:
        raise Problem(f"{place} answers {status}", ARCHIVE)
    return f"{place}, {1000 * (time.monotonic() - started):.0f} ms"


def _place(url: str) -> str:
    """Without a login."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
