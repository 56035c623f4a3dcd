"""Pauses the intake of carts, or pulling from the archive, and lets it go on."""

from __future__ import annotations

from chalicelib.caller import Caller
from chalicelib.db.database import Database
from chalicelib.job_message import JobMessage
from chalicelib.stores.audit import AuditAction, AuditStore
from chalicelib.stores.operated_jobs import OperatedJobStore
from chalicelib.stores.paused_carts import PausedCarts
from chalicelib.stores.switches import Switch, SwitchStore
from chalicelib.sweep.message_sender import MessageSender


class Pausing:
    def __init__(
        self,
        database: Database,
        switches: SwitchStore,
        carts: PausedCarts,
        operated: OperatedJobStore,
        audit: AuditStore,
        sender: MessageSender,
    ) -> None:
        self._db = database
        self._switches = switches
        self._carts = carts
        self._operated = operated
        self._audit = audit
        self._sender = sender

    def pause(self, caller: Caller, switch: Switch, why: str) -> None:
        """Again: replaces who paused it, and why."""

        def write() -> None:
            self._switches.pause(switch, caller.owner, why)
            self._audit.record(caller, AuditAction.PAUSE, details={"what": switch, "why": why})

        self._db.transaction(write)

    def resume(self, caller: Caller, switch: Switch) -> bool:
        """False if it was not paused."""
        resumed, messages = self._db.transaction(lambda: self._resume(caller, switch))
        self._sender.send(messages)
        return resumed

    def _resume(self, caller: Caller, switch: Switch) -> tuple[bool, list[JobMessage]]:
        pause = self._switches.paused(switch)
        if pause is None or not self._switches.resume(switch):
            return False, []
        self._audit.record(caller, AuditAction.RESUME, details={"what": switch, "since": pause.since})
        if switch != Switch.PULLING:
            return True, []
        messages = self._operated.make_paused_due()
        self._carts.put_off_deadlines(pause.since)
        return True, messages
