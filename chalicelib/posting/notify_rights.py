"""Whom a cart's owner may have told that the cart has ended."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.caller import NOBODY
from chalicelib.errors import InvalidManifest, LimitReached
from chalicelib.notify.asked import Asked
from chalicelib.notify.webhook_url import webhook_url
from chalicelib.stores.notify_keys import NotifyKeyStore
from chalicelib.stores.outbox import OutboxStore

KEY_LIFE = 86400.0  # seconds a worker's key counts after the worker was seen: longer than any restart of all workers
NO_KEY = "this service sends no webhooks: its workers have no NOTIFY_SIGNING_KEY"
NO_MAIL = "this service sends no mail: NOTIFY_MAIL_FROM is not set"
NO_ADDRESS = "your login has no verified mail address (the claims email and email_verified)"
NO_LOGIN = "without a login, only hosts in NOTIFY_ALLOWED_HOSTS may be called"


@dataclass(frozen=True, slots=True)
class NotifyPolicy:
    """`allowed_hosts`: canonical names. `mail`: whether the site sends mail; `domains`: where to, beside the owners.

    `limit`: open notifications of an owner; 0 is no limit.
    """

    allowed_hosts: tuple[str, ...] = ()
    mail: bool = False
    domains: tuple[str, ...] = ()
    limit: int = 0


class NotifyRights:
    def __init__(self, outbox: OutboxStore, keys: NotifyKeyStore, policy: NotifyPolicy) -> None:
        self._outbox = outbox
        self._keys = keys
        self._policy = policy

    def asked(self, owner: str, address: str, option: str, *, may_follow: bool = False) -> Asked:
        """What a cart's row records of the option `notify`. `address`: verified to be the owner's.

        `may_follow`: the option may still stand in a manifest that is not read yet.
        Raises InvalidManifest, LimitReached.
        """
        asked = Asked(option, address)
        problems = []
        if asked.webhook and (reason := self._why_no_webhook(owner, asked.webhook)):
            problems.append(f"notify.webhook: {reason}")
        if asked.mail and (reason := self._why_no_mail(address, asked.mail)):
            problems.append(f"notify.mail: {reason}")
        if problems:
            raise InvalidManifest(problems)
        if asked.webhook or asked.mail:
            self._check_limit(owner)
        keeps_address = self._policy.mail and (asked.mail is True or (may_follow and not option))
        return asked if keeps_address else Asked(option)

    def _why_no_webhook(self, owner: str, url: str) -> str:
        try:
            checked = webhook_url(url, self._policy.allowed_hosts)
        except ValueError as error:
            return str(error)
        if owner == NOBODY and not checked.is_allowed:
            return NO_LOGIN
        return "" if self._keys.is_signed(KEY_LIFE) else NO_KEY

    def _why_no_mail(self, address: str, to: str | bool) -> str:
        if not self._policy.mail:
            return NO_MAIL
        if to is True:
            return "" if address else NO_ADDRESS
        domain = str(to).rpartition("@")[2].lower()
        if to == address or domain in self._policy.domains:
            return ""
        return "must be the verified address of your login, or one of a domain in NOTIFY_MAIL_DOMAINS"

    def _check_limit(self, owner: str) -> None:
        limit = self._policy.limit
        if limit and self._outbox.open_of(owner) >= limit:
            raise LimitReached(f"You have {limit} notifications to be delivered, the limit; wait until some are.")
