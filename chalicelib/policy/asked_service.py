"""The policy of a site that has a service for it, which is asked over HTTP: docs/policy.md has the contract.

The answer names what is allowed, so whatever the service does not know is refused. Anything but a well-formed answer
is PolicyUnavailable: nobody reads a file because a server failed.
"""

from __future__ import annotations

import json
import logging
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.errors import PolicyUnavailable
from chalicelib.policy.policy import Reader

if TYPE_CHECKING:
    import requests

CONNECT, READ = 2.0, 5.0  # seconds
LARGEST = 4 << 20  # bytes: a thousand ids of 255 characters, each escaped
BLOCK = 1 << 16

log = logging.getLogger(__name__)


class AskedService:
    """Thread-safe: each thread keeps a connection of its own."""

    asks = True

    def __init__(self, url: str, token: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        """`token`: a bearer token, if the service wants one."""
        self._url = url
        self._token = token
        self._clock = clock
        self._local = threading.local()

    def refused(self, reader: Reader, archive_ids: Sequence[str]) -> Collection[str]:
        asked = set(archive_ids)
        question = {"owner": reader.owner, "groups": list(reader.groups), "ids": sorted(asked)}
        name = str(uuid.uuid4())
        try:
            return asked - _allowed(self._post(question, name), asked)
        except PolicyUnavailable as error:
            log.warning("the policy service failed, request %s: %s", name, error.message)
            raise PolicyUnavailable from error

    def _post(self, question: dict[str, Any], name: str) -> bytes:
        """The body of a 200. `name`: of the request, for the logs of both sides."""
        import requests  # half of what the API's cold start may take, and most sites have no such service

        headers = {"X-Request-Id": name, "Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            with self._session().post(
                self._url, json=question, headers=headers, timeout=(CONNECT, READ), allow_redirects=False, stream=True
            ) as answer:
                if answer.status_code != 200:
                    raise PolicyUnavailable(f"it answered {answer.status_code}")
                return self._body(answer)
        except (requests.RequestException, OSError, ValueError) as error:  # urllib3's errors while reading are OSErrors
            raise PolicyUnavailable(type(error).__name__) from error

    def _body(self, answer: requests.Response) -> bytes:
        """A server that sends a byte now and then is never silent: the whole body has a deadline."""
        from urllib3.exceptions import HTTPError

        deadline, body = self._clock() + READ, bytearray()
        try:
            while block := answer.raw.read1(BLOCK, decode_content=True):
                body += block
                if len(body) > LARGEST:
                    raise PolicyUnavailable(f"its answer is larger than {LARGEST} bytes")
                if self._clock() > deadline:
                    raise PolicyUnavailable("its answer takes too long")
        except HTTPError as error:
            raise PolicyUnavailable(type(error).__name__) from error
        return bytes(body)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            import requests

            from chalicelib.policy.bounded_connection import BoundedAdapter

            session = self._local.session = requests.Session()
            for scheme in ("http://", "https://"):
                session.mount(scheme, BoundedAdapter())
            session.trust_env = False  # a netrc would replace our Authorization, and a proxy would see it
            session.verify = ssl.get_default_verify_paths().cafile or True
            session.headers.update({"User-Agent": "pacifica-data-cart", "Accept-Encoding": "identity"})
        return session


def _allowed(body: bytes, asked: set[str]) -> set[str]:
    """What the answer allows. Raises PolicyUnavailable unless it is `{"allowed": [...]}`, of ids that were asked."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PolicyUnavailable("its answer is not JSON") from error
    allowed = answer.get("allowed") if isinstance(answer, dict) else None
    if not isinstance(allowed, list) or not all(isinstance(one, str) for one in allowed):
        raise PolicyUnavailable('its answer has no list of strings "allowed"')
    if not asked.issuperset(allowed):
        raise PolicyUnavailable("its answer allows ids that were not asked about")
    return set(allowed)
