"""Faults of the bundle store: it fails, throttles, breaks connections, rejects credentials, stalls or dies."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos.faults import Fault
from tests.chaos.proxy import Exchange, Rule, When, delay, drop_response, reset_mid_request, respond_with

XML = "<?xml version='1.0'?><Error><Code>{}</Code><Message>chaos</Message><RequestId>1</RequestId></Error>"


class _Store(Fault):
    #: Probability that the rule applies to a request.
    share = 0.5

    def begin(self) -> None:
        self.site.store_proxy.rule = self.rule()

    def end(self) -> None:
        self.site.store_proxy.rule = None

    def rule(self) -> Rule:
        return Rule()

    def sampled(self, exchange: Exchange) -> bool:
        return self.rng.random() < self.share

    def sampled_puts(self, exchange: Exchange) -> bool:
        return exchange.command == "PUT" and self.sampled(exchange)

    def sampled_others(self, exchange: Exchange) -> bool:
        return exchange.command != "PUT" and self.sampled(exchange)


class StoreFails(_Store):
    """Half of all requests to the store get 500."""

    def rule(self) -> Rule:
        return When(self.sampled, _error(500, "InternalError"))


class StoreThrottles(_Store):
    """Most requests to the store get 503 SlowDown."""

    share = 0.8

    def rule(self) -> Rule:
        return When(self.sampled, _error(503, "SlowDown"))


class UploadsCut(_Store):
    """Connections break in the middle of an upload."""

    def rule(self) -> Rule:
        return When(self.sampled_puts, reset_mid_request)


class AnswersOfStoreLost(_Store):
    """The store handles the request, but the response is lost."""

    def rule(self) -> Rule:
        return When(self.sampled, drop_response)


class CredentialsExpired(_Store):
    """The store rejects every request because the credentials have expired."""

    share = 1.0

    def rule(self) -> Rule:
        return When(self.sampled, _error(403, "ExpiredToken"))


class StoreGarbles(_Store):
    """The store, or a proxy in front of it, returns 200 with a body that is not a response of S3."""

    share = 0.4

    def rule(self) -> Rule:
        return When(self.sampled_others, respond_with(200, b"<html>oops</html"))


class StoreStalls(_Store):
    """The store takes seconds to respond."""

    def rule(self) -> Rule:
        return When(self.sampled, delay(2.5))


class StoreUnreachable(_Store):
    """The store accepts no connection."""

    def begin(self) -> None:
        self.site.store_proxy.down = True

    def end(self) -> None:
        self.site.store_proxy.down = False


class StoreKilled(_Store):
    """kill -9 of the store, which restarts with all that it has acknowledged."""

    def begin(self) -> None:
        self.site.wait(self.rng.uniform(0.2, 1))
        self.site.restart_store()


def _error(status: int, code: str) -> Callable[[Exchange], None]:
    return respond_with(status, XML.format(code).encode(), {"Content-Type": "application/xml"})


STORE_FAULTS = (
    StoreFails, StoreThrottles, UploadsCut, AnswersOfStoreLost, CredentialsExpired, StoreGarbles, StoreStalls,
    StoreUnreachable, StoreKilled,
)  # fmt: skip
