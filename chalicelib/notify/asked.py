"""Whom a cart's owner asked to tell, as the row of the cart records it. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Channel(StrEnum):
    WEBHOOK = "webhook"
    MAIL = "mail"
    TOPIC = "topic"
    BUS = "bus"


class Target(NamedTuple):
    """`where`: a URL, an address or an ARN."""

    channel: Channel
    where: str


@dataclass(frozen=True, slots=True)
class Asked:
    """`option`: the manifest's `notify`, as manifest/notify_option.py writes it; "" is not given.

    `address`: the verified mail address of the caller, where `"mail": true` means it, or may still mean it.
    """

    option: str = ""
    address: str = ""

    @property
    def webhook(self) -> str:
        return str(self._given.get("webhook", ""))

    @property
    def mail(self) -> str | bool:
        """True for the caller's own address."""
        found = self._given.get("mail", False)
        return found if isinstance(found, bool) else str(found)

    def targets(self) -> list[Target]:
        found = [Target(Channel.WEBHOOK, self.webhook)] if self.webhook else []
        to = self.address if self.mail is True else self.mail
        return [*found, Target(Channel.MAIL, to)] if to else found

    def column(self) -> str | None:
        """For the row of a cart: None if there is nothing to tell, and nobody to tell it later."""
        if not self.targets() and not self.address:
            return None
        return json.dumps({"option": self.option, "address": self.address})

    @property
    def _given(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.option) if self.option else {}
        return found


NOBODY_ASKED = Asked()


def asked_of(column: str | None) -> Asked:
    return Asked(**json.loads(column)) if column else NOBODY_ASKED
