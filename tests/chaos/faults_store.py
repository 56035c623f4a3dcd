"""A store that fails, throttles, breaks connections, refuses credentials, or dies."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos.faults import Fault
from tests.chaos.proxy import Exchange, Rule, Sometimes, answers, cut_answer, cut_request, stalled

XML = "<?xml version='1.0'?><Error><Code>{}</Code><Message>chaos</Message><RequestId>1</RequestId></Error>"


def _error(status: int, code: str) -> Callable[[Exchange], None]:
    return answers(status, XML.format(code).encode(), {"Content-Type": "application/xml"})


class _Store(Fault):
    share = 0.5

    def begin(self) -> None:
        self.site.store_proxy.rule = self.rule()

    def end(self) -> None:
        self.site.store_proxy.rule = None

    def rule(self) -> Rule:
        return Rule()

    def some(self, exchange: Exchange) -> bool:
        return self.rng.random() < self.share

    def writes(self, exchange: Exchange) -> bool:
        return exchange.command == "PUT" and self.some(exchange)


class StoreFails(_Store):
    """The store answers 500 to half of all requests."""

    def rule(self) -> Rule:
        return Sometimes(self.some, _error(500, "InternalError"))


class StoreThrottles(_Store):
    """The store answers 503 SlowDown to most requests."""

    share = 0.8

    def rule(self) -> Rule:
        return Sometimes(self.some, _error(503, "SlowDown"))


class UploadsCut(_Store):
    """Connections break in the middle of an upload."""

    def rule(self) -> Rule:
        return Sometimes(self.writes, cut_request)


class AnswersOfStoreLost(_Store):
    """The store did it, whatever it was, and the answer never arrives."""

    def rule(self) -> Rule:
        return Sometimes(self.some, cut_answer)


class CredentialsExpired(_Store):
    """Every request is refused: the credentials have expired."""

    share = 1.0

    def rule(self) -> Rule:
        return Sometimes(self.some, _error(403, "ExpiredToken"))


class StoreGarbles(_Store):
    """The store, or a proxy before it, answers 200 with something that is no answer."""

    share = 0.4

    def rule(self) -> Rule:
        return Sometimes(
            lambda exchange: exchange.command != "PUT" and self.some(exchange), answers(200, b"<html>oops</html")
        )


class StoreStalls(_Store):
    """The store takes seconds to answer."""

    def rule(self) -> Rule:
        return Sometimes(self.some, stalled(2.5))


class StoreUnreachable(_Store):
    """No connection to the store."""

    def begin(self) -> None:
        self.site.store_proxy.down = True

    def end(self) -> None:
        self.site.store_proxy.down = False


class StoreKilled(_Store):
    """kill -9 of the store itself; it keeps what it has confirmed."""

    def begin(self) -> None:
        self.site.wait(self.rng.uniform(0.2, 1))
        self.site.restart_store()


STORE = (
    StoreFails, StoreThrottles, UploadsCut, AnswersOfStoreLost, CredentialsExpired, StoreGarbles, StoreStalls,
    StoreUnreachable, StoreKilled,
)  # fmt: skip
