"""The tables of operating the service, as models.py has the others."""

from __future__ import annotations

from typing import Any

import peewee as pw

from chalicelib.db.models import Table


class CartHistory(Table):
    """What happened to a cart: one row for each change, in order of `id`."""

    id = pw.BigAutoField()
    cart_id = pw.BigIntegerField()
    at = pw.DoubleField()
    event = pw.CharField(max_length=32)
    cause = pw.CharField(max_length=1024, default="")
    #: which process did it, by its name
    process = pw.CharField(max_length=255, default="")


class Workers(Table):
    """One row for each worker process, kept for a while after its end."""

    name = pw.CharField(max_length=255, primary_key=True)
    revision = pw.CharField(max_length=64, default="")
    started_at = pw.DoubleField()
    seen_at = pw.DoubleField()
    stopped_at = pw.DoubleField(null=True)
    #: the jobs that it holds: a JSON list of ids, None for none
    held: Any = pw.TextField(null=True)
    #: what it did last, in words, and when
    step = pw.CharField(max_length=255, default="")
    step_at = pw.DoubleField(null=True)
    #: bytes of its resident memory
    memory = pw.BigIntegerField(default=0)
    #: 1 when one of its threads has made no step for too long
    hung = pw.SmallIntegerField(default=0)


class Switches(Table):
    """What operators have paused; a row is a pause."""

    name = pw.CharField(max_length=32, primary_key=True)
    since = pw.DoubleField()
    actor = pw.CharField(max_length=255)
    why = pw.CharField(max_length=1024, default="")


class Notifications(Table):
    """Whom to tell that a cart has ended. Written with the cart's end; delivered by workers, at least once."""

    id = pw.BigAutoField()
    cart_id = pw.BigIntegerField()
    owner = pw.CharField(max_length=255)
    uid = pw.CharField(max_length=255)
    #: the state that the cart ended in
    event = pw.CharField(max_length=16)
    #: how to tell: `webhook`, `topic`, `bus` or `mail`; and where
    channel = pw.CharField(max_length=16)
    target = pw.CharField(max_length=2048)
    created_at = pw.DoubleField()
    due_at = pw.DoubleField()
    attempts = pw.IntegerField(default=0)
    #: rises with each claim, and fences the writes of a worker that was too slow
    token = pw.BigIntegerField(default=0)
    last_error = pw.CharField(max_length=1024, default="")
    #: 1 until it is delivered or given up, then NULL
    open = pw.SmallIntegerField(null=True, default=1)
    delivered_at = pw.DoubleField(null=True)
    given_up_at = pw.DoubleField(null=True)


class NotifyKeys(Table):
    """Public keys that receivers verify webhooks with: ed25519, base64. Written by the workers that sign with them."""

    public_key = pw.CharField(max_length=64, primary_key=True)
    seen_at = pw.DoubleField()
