"""Who a request comes from, by AUTH; and which settings and addresses are refused at start."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.api.server_address import LoopbackOnly
from chalicelib.auth.credentials import Credentials
from chalicelib.auth.decision import Authenticator
from chalicelib.auth.start_check import check_login
from chalicelib.auth.token_login import MEMORY, TokenLogin
from chalicelib.caller import NOBODY, Scope
from chalicelib.config.settings import Settings, load
from chalicelib.db import schema
from chalicelib.db.access_models import AccessTokens
from chalicelib.db.database import Database
from chalicelib.errors import LoginRequired, SettingsError
from chalicelib.stores.access_tokens import AccessTokenStore
from tests.issuer import AUDIENCE, Issuer, SigningKey

ISSUER = Issuer()
ARN = "arn:aws:sts::123456789012:assumed-role/Readers/alice"
HERE = "192.0.2.1"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(load({"SQLITE_PATH": str(tmp_path / "cart.db")}))
    schema.sync(database)
    yield database
    database.close()


@pytest.fixture
def store(database: Database) -> AccessTokenStore:
    return AccessTokenStore(database)


@pytest.fixture
def jwks(tmp_path: Path) -> str:
    (tmp_path / "jwks.json").write_bytes(ISSUER.jwks())
    return str(tmp_path / "jwks.json")


def settings(auth: str, **more: str) -> Settings:
    return load({"AUTH": auth, "OIDC_ISSUERS": ISSUER.name, "OIDC_AUDIENCE": AUDIENCE, **more})


def refused(authenticator: Authenticator, shown: Credentials) -> LoginRequired:
    for ask in (authenticator.caller, authenticator.caller_or_nobody):
        with pytest.raises(LoginRequired) as raised:
            ask(shown)
    return raised.value


def test_without_logins_all_is_nobodys_and_a_header_is_refused(store: AccessTokenStore) -> None:
    authenticator = Authenticator(settings("none"), store)
    caller = authenticator.caller(Credentials(address=HERE))
    assert (caller.owner, caller.is_admin, caller.address) == (NOBODY, False, HERE)
    _, token = store.add("alice", {Scope.READ}, (), None, "")
    for header in ("", "Basic", f"Bearer {token}", f"Bearer {ISSUER.token()}", "nonsense"):
        assert refused(authenticator, Credentials(header)).challenges


def test_a_token_is_its_owners_with_its_scopes_and_groups(store: AccessTokenStore) -> None:
    authenticator = Authenticator(settings("token"), store)
    _, token = store.add("alice", {Scope.READ}, ("lab",), 100, "a note")
    caller = authenticator.caller(Credentials(f"Bearer {token}", address=HERE))
    assert (caller.owner, caller.acts_for, caller.groups, caller.address) == ("alice", "alice", ("lab",), HERE)
    assert caller.scopes == {Scope.READ}


@pytest.mark.parametrize("auth", ["token", "oidc", "oidc,token"])
def test_a_request_without_a_login_is_nobodys_where_that_is_open(store: AccessTokenStore, jwks: str, auth: str) -> None:
    authenticator = Authenticator(settings(auth, OIDC_JWKS_FILE=jwks), store)
    caller = authenticator.caller_or_nobody(Credentials(address=HERE))
    assert (caller.owner, caller.scopes) == (NOBODY, frozenset())
    with pytest.raises(LoginRequired) as raised:
        authenticator.caller(Credentials())
    assert [challenge.split()[0] for challenge in raised.value.challenges] == ["Basic", "Bearer"]
    assert not any("error" in challenge for challenge in raised.value.challenges)
    assert any("invalid_token" in challenge for challenge in refused(authenticator, Credentials("x")).challenges)


def test_each_kind_of_token_counts_only_where_the_setting_names_it(store: AccessTokenStore, jwks: str) -> None:
    _, token = store.add("alice", {Scope.READ}, (), None, "")
    jwt = ISSUER.token()
    owners = {token: "alice", jwt: f"{ISSUER.name}|alice"}
    for auth, valid in {"token": {token}, "oidc": {jwt}, "oidc,token": {token, jwt}}.items():
        authenticator = Authenticator(settings(auth, OIDC_JWKS_FILE=jwks), store)
        for shown in (token, jwt):
            if shown in valid:
                assert authenticator.caller(Credentials(f"Bearer {shown}")).owner == owners[shown]
            else:
                refused(authenticator, Credentials(f"Bearer {shown}"))


@pytest.mark.parametrize("wrong", ["unknown", "expired", "cut", "longer", "other case", "nobody's", "a hash", "sql"])
def test_a_token_that_is_not_valid_is_refused_in_the_same_words(
    store: AccessTokenStore, database: Database, wrong: str
) -> None:
    authenticator = Authenticator(settings("token"), store)
    number, token = store.add("alice", {Scope.READ}, (), -1 if wrong == "expired" else None, "")
    if wrong == "nobody's":
        with database.session() as db:
            AccessTokens.update(owner="").where(AccessTokens.id == number).execute(db)
    shown = {
        "unknown": "cart_" + "a" * 43,
        "cut": token[:-1],
        "longer": token + "a",
        "other case": "cart_" + token[5:].swapcase(),
        "a hash": "cart_" + "0" * 64,
        "sql": "cart_" + "_" * 43,
    }.get(wrong, token)
    error = refused(authenticator, Credentials(f"Bearer {shown}"))
    assert error.message == "The access token is not valid: it is unknown, revoked or expired."


def test_a_revoked_token_stops_within_seconds(store: AccessTokenStore) -> None:
    clock = Clock()
    login = TokenLogin(store, clock)
    number, token = store.add("alice", {Scope.READ}, (), None, "")
    assert login.login(token).owner == "alice"
    assert store.revoke(number)
    clock.now += MEMORY
    with pytest.raises(LoginRequired):
        login.login(token)
    assert MEMORY <= 5


def iam(store: AccessTokenStore, **more: str) -> Authenticator:
    return Authenticator(settings("iam", AWS_LAMBDA_FUNCTION_NAME="f", **more), store)


def test_an_iam_identity_is_its_arns(store: AccessTokenStore) -> None:
    caller = iam(store).caller(Credentials("AWS4-HMAC-SHA256 Credential=x", {"userArn": ARN}, HERE))
    assert (caller.owner, set(caller.scopes)) == (ARN, {Scope.READ, Scope.WRITE})
    assert iam(store).caller_or_nobody(Credentials(None, {"userArn": ARN})).owner == ARN


@pytest.mark.parametrize(
    "identity", [{}, {"userArn": None}, {"userArn": ""}, {"userArn": 1}, {"userArn": "alice"}, {"user": ARN}]
)
def test_without_an_iam_identity_nobody_is_let_in(store: AccessTokenStore, identity: dict[str, Any]) -> None:
    for header in (None, f"Bearer {ISSUER.token()}", "AWS4-HMAC-SHA256 Credential=x"):
        with pytest.raises(LoginRequired) as raised:
            iam(store).caller(Credentials(header, identity))
        assert raised.value.challenges


def test_a_header_that_the_gateway_did_not_check_is_refused(store: AccessTokenStore) -> None:
    refused(iam(store), Credentials(f"Bearer {ISSUER.token()}", {"userArn": ARN}))


def test_an_identity_counts_only_with_iam(store: AccessTokenStore, jwks: str) -> None:
    for auth in ("token", "oidc", "oidc,token"):
        refused(Authenticator(settings(auth, OIDC_JWKS_FILE=jwks), store), Credentials(None, {"userArn": ARN}))


@pytest.mark.parametrize(
    ("admin", "is_admin"),
    [
        (ARN, True),
        ("arn:aws:sts::123456789012:assumed-role/Readers/*", True),
        ("arn:aws:sts::*:assumed-role/Readers/alice", True),
        ("arn:aws:sts::123456789012:assumed-role/*", False),
        ("*", False),
        ("arn:aws:sts::123456789012:assumed-role/Readers/ali", False),
        ("arn.aws:sts::123456789012:assumed-role/Readers/alice", False),
        ("", False),
    ],
)
def test_administrators_by_arn(store: AccessTokenStore, admin: str, is_admin: bool) -> None:
    caller = iam(store, ADMIN_VALUE=admin).caller(Credentials(None, {"userArn": ARN}))
    assert caller.is_admin is is_admin


def test_readers_by_arn(store: AccessTokenStore) -> None:
    reader = iam(store, READ_ONLY_VALUE="arn:aws:sts::123456789012:assumed-role/Readers/*")
    assert reader.caller(Credentials(None, {"userArn": ARN})).scopes == {Scope.READ}


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"AUTH": "oidc", "OIDC_ISSUERS": ISSUER.name}, "OIDC_AUDIENCE"),
        ({"AUTH": "oidc,token", "OIDC_AUDIENCE": "cart"}, "OIDC_ISSUERS"),
        ({"AUTH": "oidc", "OIDC_ISSUERS": "http://id.example.org", "OIDC_AUDIENCE": "cart"}, "OIDC_ISSUERS"),
        ({"AUTH": "iam"}, "AUTH"),
        ({"AUTH": "none", "AWS_LAMBDA_FUNCTION_NAME": "f"}, "AUTH"),
        ({"AUTH": "oidc", "OIDC_ISSUERS": ISSUER.name, "OIDC_AUDIENCE": "c", "ADMIN_VALUE": "x"}, "ADMIN_CLAIM"),
        ({"AUTH": "oidc", "OIDC_ISSUERS": ISSUER.name, "OIDC_AUDIENCE": "c", "ADMIN_CLAIM": "x"}, "ADMIN_CLAIM"),
        ({"AUTH": "token", "ADMIN_VALUE": "x", "READ_ONLY_VALUE": "x"}, "READ_ONLY_VALUE"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_by_name(environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=f"{named}: "):
        check_login(load(environ))


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"keys": []}', '{"keys": {}}', "[" * 99999, '{"keys": [{"kty": "oct"}]}', None]
)
def test_a_key_file_without_keys_is_refused_at_start(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "jwks").write_text(content)
    with pytest.raises(SettingsError, match="OIDC_JWKS_FILE: "):
        check_login(settings("oidc", OIDC_JWKS_FILE=str(tmp_path / "jwks")))


def test_a_key_file_is_of_one_issuer(jwks: str) -> None:
    with pytest.raises(SettingsError, match="OIDC_JWKS_FILE: "):
        check_login(settings("oidc", OIDC_JWKS_FILE=jwks, OIDC_ISSUERS="https://a.example.org,https://b.example.org"))
    check_login(settings("oidc", OIDC_JWKS_FILE=jwks))
    check_login(settings("none", AWS_LAMBDA_FUNCTION_NAME="f", AUTH_NONE_I_KNOW="1"))


def test_a_file_of_secret_keys_is_refused_at_start(tmp_path: Path) -> None:
    (tmp_path / "jwks").write_text(json.dumps({"keys": [SigningKey("x").secret()]}))
    with pytest.raises(SettingsError, match="OIDC_JWKS_FILE: "):
        check_login(settings("oidc", OIDC_JWKS_FILE=str(tmp_path / "jwks")))


LOOPBACK = ("127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LocalHost.", "::ffff:127.0.0.1", "/run/cart.sock")
OPEN = ("0.0.0.0", "::", "192.0.2.1", "10.0.0.1", "example.org", "127.0.0.1.example.org", "", None, 1, "2130706433")


@pytest.mark.parametrize("host", LOOPBACK)
def test_without_logins_a_request_that_arrived_at_loopback_is_served(host: str) -> None:
    assert LoopbackOnly(load({})).refused(host) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_without_logins_the_server_does_not_start_on_another_address(host: str) -> None:
    guard = LoopbackOnly(load({}))
    for arguments, environ in ((["--host", host], {}), ([f"--host={host}"], {}), ([], {"GRANIAN_HOST": host})):
        with pytest.raises(SettingsError, match="AUTH_NONE_I_KNOW=1"):
            guard.check_start(arguments, environ)
        for allowed in ({"AUTH_NONE_I_KNOW": "1"}, {"AUTH": "token"}):
            LoopbackOnly(load(allowed)).check_start(arguments, environ)
    guard.check_start(["--host", "127.0.0.1"], {"GRANIAN_HOST": host})


@pytest.mark.parametrize("host", OPEN)
def test_without_logins_a_request_that_arrived_elsewhere_is_refused(host: object) -> None:
    answer = LoopbackOnly(load({})).refused(host)
    assert answer is not None
    assert answer.status == 503
    assert LoopbackOnly(load({"AUTH_NONE_I_KNOW": "1"})).refused(host) is None
    assert LoopbackOnly(load({"AUTH": "token"})).refused(host) is None
