"""The tables of access, as models.py has the others: tokens, shares, usage and the audit."""

from __future__ import annotations

from typing import Any

import peewee as pw

from chalicelib.db.models import Table


class AccessTokens(Table):
    """Tokens that clients log in with. Only hashes are stored."""

    id = pw.BigAutoField()
    owner = pw.CharField(max_length=255)
    #: sha256 of the token, in hexadecimal
    hash = pw.CharField(max_length=64)
    #: separated by spaces
    scopes = pw.CharField(max_length=255)
    #: groups of its owner: a JSON list, None for none
    member_of: Any = pw.TextField(null=True)
    note = pw.CharField(max_length=255, default="")
    created_at = pw.DoubleField()
    expires_at = pw.DoubleField(null=True)
    revoked_at = pw.DoubleField(null=True)


class CartShares(Table):
    """Who else may read a cart. Only hashes of the tokens in the addresses are stored."""

    id = pw.BigAutoField()
    cart_id = pw.BigIntegerField()
    #: sha256 of the token, in hexadecimal
    hash = pw.CharField(max_length=64)
    #: an owner; void for everybody who has the link
    recipient = pw.CharField(max_length=255)
    created_at = pw.DoubleField()
    expires_at = pw.DoubleField()
    revoked_at = pw.DoubleField(null=True)


class OwnerUsage(Table):
    """What an owner uses and may use, 0 for no limit; nobody's carts have no row."""

    owner = pw.CharField(max_length=255, primary_key=True)
    #: groups at the last login: a JSON list, None for none
    member_of: Any = pw.TextField(null=True)
    carts = pw.BigIntegerField(default=0)
    entries = pw.BigIntegerField(default=0)
    #: bytes of bundles, bytes of reserved windows
    bundles = pw.BigIntegerField(default=0)
    staging = pw.BigIntegerField(default=0)
    recalls = pw.BigIntegerField(default=0)
    uploads = pw.BigIntegerField(default=0)
    #: in the minute `posts_minute`, counted since the epoch
    posts = pw.BigIntegerField(default=0)
    posts_minute = pw.BigIntegerField(default=0)
    limit_carts = pw.BigIntegerField(default=0)
    limit_entries = pw.BigIntegerField(default=0)
    limit_bundles = pw.BigIntegerField(default=0)
    limit_staging = pw.BigIntegerField(default=0)
    limit_recalls = pw.BigIntegerField(default=0)
    limit_uploads = pw.BigIntegerField(default=0)
    limit_posts = pw.BigIntegerField(default=0)
    reconciled_at = pw.DoubleField(default=0)


class AuditRecords(Table):
    """Who did what. `seal`: the row of audit_seals whose hash covers this one, None until the sweep has made it."""

    id = pw.BigAutoField()
    at = pw.DoubleField()
    #: who acted, on whose cart
    actor = pw.CharField(max_length=255)
    action = pw.CharField(max_length=32)
    owner = pw.CharField(max_length=255)
    uid = pw.CharField(max_length=255, default="")
    cart_id = pw.BigIntegerField(default=0)
    address = pw.CharField(max_length=64, default="")
    #: JSON, None for nothing more
    details: Any = pw.TextField(null=True)
    seal: Any = pw.BigIntegerField(null=True)


class AuditSeals(Table):
    """Each covers a batch of audit records and the seal before it, `previous`; hashes in hexadecimal."""

    id = pw.BigAutoField()
    first_id = pw.BigIntegerField()
    last_id = pw.BigIntegerField()
    records = pw.BigIntegerField()
    previous = pw.CharField(max_length=64)
    hash = pw.CharField(max_length=64)
    sealed_at = pw.DoubleField()


class RefusalCounts(Table):
    """Requests that were refused without a login, by minute (counted since the epoch) and address."""

    at_minute = pw.BigIntegerField()
    address = pw.CharField(max_length=64)
    refusals = pw.BigIntegerField()

    class Meta:
        primary_key = pw.CompositeKey("at_minute", "address")
