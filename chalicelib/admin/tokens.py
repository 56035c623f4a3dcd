"""`tokens`: the tokens that clients log in with where AUTH has `token`."""

from __future__ import annotations

import json
from typing import Any

import click

from chalicelib.admin.operator import Operator
from chalicelib.admin.output import json_option, show, show_rows, tell, time_of
from chalicelib.admin.parameters import NAME, TEXT, WHEN, When
from chalicelib.caller import Scope
from chalicelib.db.database import Database
from chalicelib.errors import CartError
from chalicelib.stores.access_tokens import AccessToken, AccessTokenStore
from chalicelib.stores.audit import AuditAction, AuditStore

DEFAULT_LIFE = "365 days"
LARGEST_ID = 2**63 - 1
LONGEST_GROUPS = 60_000  # bytes in the database
COLUMNS = {
    "id": "ID",
    "owner": "OWNER",
    "state": "STATE",
    "scopes": "SCOPES",
    "groups": "GROUPS",
    "created_at": "CREATED",
    "expires_at": "EXPIRES",
    "note": "NOTE",
}


class NoSuchToken(CartError):
    """There is no such token."""


@click.group()
def tokens() -> None:
    """Make, list and revoke the tokens that clients log in with.

    Clients send one as `Authorization: Bearer TOKEN`, or as the password of Basic, with any user name. Tokens count
    where AUTH has `token`. The database holds only their hashes.
    """


@tokens.command("add")
@click.option("--owner", type=NAME, required=True, help="Whose carts the token is for.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    default=[Scope.READ.value, Scope.WRITE.value],
    show_default=True,
    help="What the token allows; may be repeated. `admin` includes the others, for every owner's carts.",
)
@click.option("--group", "groups", type=NAME, multiple=True, help="A group of the owner; may be repeated.")
@click.option(
    "--expires",
    type=WHEN,
    default=DEFAULT_LIFE,
    show_default=True,
    help="When it ends: '30 days', or an ISO 8601 date.",
)
@click.option("--note", type=TEXT, default="", help="For yourself: who has it, what for.")
@json_option
@click.pass_obj
def add(
    operator: Operator,
    owner: str,
    scopes: tuple[str, ...],
    groups: tuple[str, ...],
    expires: When,
    note: str,
    as_json: bool,
) -> None:
    """Make a token and print it: this once.

    stdout has only the token, so that TOKEN=$(pacifica-cartd-cmd tokens add --owner NAME) works.
    """
    database = operator.migrated
    now = database.clock()
    if (life := expires.after(now) - now) <= 0:
        raise click.BadParameter("is in the past", param_hint="--expires")
    allowed = sorted({Scope(scope) for scope in scopes})
    if len(json.dumps(groups)) > LONGEST_GROUPS:
        raise click.BadParameter("the groups are too many for a token", param_hint="--group")

    def write() -> tuple[int, str]:
        token_id, token = AccessTokenStore(database).add(owner, allowed, groups, life, note)
        details = {"token": token_id, "scopes": allowed, "groups": groups, "expires": now + life, "note": note}
        AuditStore(database).record(operator.caller(owner), AuditAction.TOKEN, details=details)
        return token_id, token

    token_id, token = database.transaction(write)
    until = time_of(now + life)
    tell(f"token {token_id} of {owner}, valid until {until}; it is shown this once: keep it as you keep a password")
    show(as_json, {"id": token_id, "token": token, "owner": owner, "scopes": allowed, "expires_at": until}, token)


@tokens.command("list")
@click.option("--owner", type=NAME, help="Only this owner's.")
@json_option
@click.pass_obj
def list_(operator: Operator, owner: str | None, as_json: bool) -> None:
    """List all tokens, also those that have ended, without what clients send."""
    database = operator.migrated
    now = database.clock()
    found = [token for token in AccessTokenStore(database).everything() if owner in (None, token.owner)]
    show_rows(as_json, [_row(token, now) for token in found], COLUMNS)


@tokens.command("revoke")
@click.argument("token_id", type=click.IntRange(1, LARGEST_ID), metavar="ID")
@json_option
@click.pass_obj
def revoke(operator: Operator, token_id: int, as_json: bool) -> None:
    """End a token: the service refuses it from the next request on.

    ID is the number that `tokens list` shows.
    """
    owner = operator.migrated.transaction(lambda: _revoke(operator, operator.migrated, token_id))
    show(as_json, {"id": token_id, "owner": owner, "state": "revoked"}, f"token {token_id} of {owner} is revoked")


def _revoke(operator: Operator, database: Database, token_id: int) -> str:
    """The owner of the token that was revoked."""
    store = AccessTokenStore(database)
    found = next((token for token in store.everything() if token.id == token_id), None)
    if found is None:
        raise NoSuchToken(f"There is no token {token_id}.")
    if not store.revoke(token_id):
        raise NoSuchToken(f"Token {token_id} has been revoked already, at {time_of(found.revoked_at)}.")
    AuditStore(database).record(operator.caller(found.owner), AuditAction.REVOKE, details={"token": token_id})
    return found.owner


def _row(token: AccessToken, now: float) -> dict[str, Any]:
    ended = token.expires_at is not None and token.expires_at <= now
    return {
        "id": token.id,
        "owner": token.owner,
        "state": "revoked" if token.revoked_at is not None else "expired" if ended else "valid",
        "scopes": sorted(token.scopes),
        "groups": list(token.groups),
        "created_at": time_of(token.created_at),
        "expires_at": time_of(token.expires_at),
        "revoked_at": time_of(token.revoked_at),
        "note": token.note,
    }
