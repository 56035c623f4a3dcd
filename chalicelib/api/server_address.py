"""Without logins the API serves its own machine alone: which address a server listens on, and if that is loopback."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from chalicelib.api.http_messages import HttpAnswer, refusal
from chalicelib.config.host_names import is_loopback
from chalicelib.config.settings import Settings
from chalicelib.errors import SettingsError

OPEN = (
    "AUTH: is none, so that anybody who reaches {} may use every cart. Set AUTH to make clients log in, "
    "listen on 127.0.0.1, or set AUTH_NONE_I_KNOW=1 to allow it"
)

log = logging.getLogger(__name__)


class LoopbackOnly:
    """Refuses requests that arrived at another address, if the settings want that."""

    def __init__(self, settings: Settings) -> None:
        self._wanted = settings.auth == "none" and not settings.auth_none_i_know
        self._logged = False

    def check_start(self, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
        """Raises SettingsError if Granian's command line names another address."""
        host = _granians_host(arguments, environ)
        if self._wanted and host is not None and not _is_own_machine(host):
            raise SettingsError([OPEN.format(host)])

    def refused(self, host: object) -> HttpAnswer | None:
        """The answer to a request that arrived at this address, None if it may go on.

        `host`: as the server says, not the client; a server that does not say it is refused.
        """
        if not self._wanted or _is_own_machine(host):
            return None
        if not self._logged:
            self._logged = True
            log.error("requests are refused: %s", OPEN.format(host))
        return refusal(503, "This service has no logins and does not serve this address; its log says why.")


def _is_own_machine(host: object) -> bool:
    """A path is that of a Unix socket."""
    return isinstance(host, str) and (host.startswith("/") or is_loopback(host))


def _granians_host(arguments: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """By its command line, or by its variable; without them it listens on 127.0.0.1."""
    for place, argument in enumerate(arguments):
        if argument == "--host":
            return arguments[place + 1] if place + 1 < len(arguments) else None
        if argument.startswith("--host="):
            return argument.partition("=")[2]
    return environ.get("GRANIAN_HOST")
