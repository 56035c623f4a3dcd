"""Sends the messages that became dead letters again, as the sweep does, but all of them."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.caller import Caller
from chalicelib.job_message import JobMessage
from chalicelib.stores.audit import AuditAction, AuditStore
from chalicelib.sweep.dead_letters import DeadLetters, NoDeadLetters
from chalicelib.sweep.message_sender import MessageSender

MOST = 10_000  # receives, of ten messages each


class Redrive:
    def __init__(self, letters: DeadLetters | NoDeadLetters, audit: AuditStore, sender: MessageSender) -> None:
        self._letters = letters
        self._audit = audit
        self._sender = sender

    def run(self, caller: Caller) -> Iterator[JobMessage]:
        """Yields each message after it was sent. Letters whose job is done or taken are deleted.

        Raises QueueUnavailable.
        """
        self._audit.record(caller, AuditAction.REDRIVE)
        for message in self._letters.messages(MOST):
            self._sender.send([message])
            yield message
