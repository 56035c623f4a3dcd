"""Access tokens on both databases."""

from __future__ import annotations

from chalicelib.caller import Scope
from chalicelib.db.access_models import AccessTokens
from chalicelib.db.database import Database
from chalicelib.stores.access_tokens import AccessTokenStore


def test_a_token_is_found_until_it_expires_or_is_revoked(database: Database) -> None:
    store = AccessTokenStore(database)
    number, token = store.add("alice", {Scope.READ, Scope.WRITE}, ("lab", "all"), 60, "a note")
    _, expired = store.add("alice", {Scope.READ}, (), 0, "")
    found = store.find(token)
    assert found is not None
    assert (found.id, found.owner, found.groups, found.note) == (number, "alice", ("lab", "all"), "a note")
    assert found.scopes == {Scope.READ, Scope.WRITE}
    for unknown in (expired, token.swapcase(), f"{token} ", f"{token}\n", "", "cart_", "\ud800"):
        assert store.find(unknown) is None
    assert [store.revoke(number), store.revoke(number)] == [True, False]
    assert store.find(token) is None
    assert [one.owner for one in store.everything()][-2:] == ["alice", "alice"]


def test_the_token_itself_is_not_stored(database: Database) -> None:
    _, token = AccessTokenStore(database).add("alice", {Scope.READ}, (), None, "")
    with database.session() as db:
        rows = list(AccessTokens.select().tuples().execute(db))
    assert token.removeprefix("cart_") not in repr(rows)
