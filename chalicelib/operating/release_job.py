"""Takes a job from the worker that holds it, so that another one does it: that worker hangs, or its machine is gone."""

from __future__ import annotations

from chalicelib.caller import Caller
from chalicelib.db.database import Database
from chalicelib.errors import CartNotFound
from chalicelib.job_message import JobMessage
from chalicelib.operating.results import NotDone
from chalicelib.stores.audit import AuditAction, AuditStore
from chalicelib.stores.carts import CartStore
from chalicelib.stores.operated_jobs import JobState, OperatedJobStore
from chalicelib.sweep.message_sender import MessageSender


class ReleaseJob:
    def __init__(
        self,
        database: Database,
        carts: CartStore,
        operated: OperatedJobStore,
        audit: AuditStore,
        sender: MessageSender,
    ) -> None:
        self._db = database
        self._carts = carts
        self._operated = operated
        self._audit = audit
        self._sender = sender

    def run(self, caller: Caller, job_id: int) -> bool:
        """False if no worker holds the job. Raises NotDone if there is no such job."""
        job = self._operated.get(job_id)
        if job is None:
            raise NotDone(f"There is no job {job_id}: it is done, or its cart is gone.")
        message = self._db.transaction(lambda: self._release(caller, job))
        if message is not None:
            self._sender.send([message])
        return message is not None

    def _release(self, caller: Caller, job: JobState) -> JobMessage | None:
        message = self._operated.release(job)
        if message is not None:
            owner, uid = self._cart_of(job)
            details = {"job": job.id, "kind": job.kind}
            self._audit.record(caller.acting_for(owner), AuditAction.RELEASE, uid, job.cart_id, details)
        return message

    def _cart_of(self, job: JobState) -> tuple[str, str]:
        try:
            cart = self._carts.get(job.cart_id)
        except CartNotFound:
            return "", ""
        return cart.owner, cart.uid
