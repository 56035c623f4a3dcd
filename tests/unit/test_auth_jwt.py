"""Logins by JWT: which tokens count, whose they are, and what they allow."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.auth import claims as checks
from chalicelib.auth.jwt_login import JwtLogin
from chalicelib.auth.jwt_parts import INVALID
from chalicelib.auth.key_set import KeyPolicy
from chalicelib.caller import Scope
from chalicelib.config.settings import load
from chalicelib.errors import LoginRequired, LoginUnavailable
from tests.issuer import AUDIENCE, Issuer, SigningKey

ISSUER = Issuer()
OTHER = SigningKey("other")
CURVE = SigningKey("curve", "ES256")
NOW = time.time()
ADMINS: dict[str, Any] = {"": "", "admin": True, "role": "admin"}
ROLE: dict[str, Any] = {"https://example.org/role": ["boss"]}
READ, WRITE, ADMIN = Scope.READ, Scope.WRITE, Scope.ADMIN

JwtOf = Callable[..., JwtLogin]


@pytest.fixture(scope="module")
def login_of(tmp_path_factory: pytest.TempPathFactory) -> JwtOf:
    """A login whose issuer has these keys; more settings by their variables."""
    file = tmp_path_factory.mktemp("keys") / "jwks.json"

    def build(*keys: dict[str, Any], **variables: str) -> JwtLogin:
        file.write_text(json.dumps({"keys": keys or [ISSUER.key.public(), CURVE.public()]}))
        environ = {"AUTH": "oidc", "OIDC_ISSUERS": ISSUER.name, "OIDC_AUDIENCE": AUDIENCE, "OIDC_JWKS_FILE": str(file)}
        built = JwtLogin(load({**environ, **variables}), time.time, time.monotonic)
        next(iter(built._keys.values())).find("none", "RS256")  # the file is read now; the next login has another
        return built

    return build


@pytest.fixture(scope="module")
def login(login_of: JwtOf) -> JwtLogin:
    return login_of()


def refused(login: JwtLogin, token: str) -> str:
    with pytest.raises(LoginRequired) as raised:
        login.login(token)
    assert not any(part in raised.value.message for part in token.split(".") if len(part) > 4)
    return raised.value.message


@pytest.mark.parametrize("key", [ISSUER.key, CURVE])
def test_a_genuine_token_is_its_subjects_of_its_issuer(login: JwtLogin, key: SigningKey) -> None:
    found = login.login(ISSUER.token(key=key))
    assert found.owner == "https://id.example.org/|alice"
    assert found.scopes == {READ, WRITE}
    assert found.groups == ()


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unsigned(header: dict[str, Any], signature: bytes = b"") -> str:
    return f"{part(header)}.{part(ISSUER.claims())}.{part(signature)}"


def by_hmac(algorithm: str, secret: bytes, **header: Any) -> str:
    head = f"{part({'alg': algorithm, 'kid': 'first', **header})}.{part(ISSUER.claims())}"
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512, "RS256": hashlib.sha256}
    return f"{head}.{part(hmac.new(secret, head.encode(), digest[algorithm]).digest())}"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, 1, ["RS256"], {"a": "RS256"}, True])
@pytest.mark.parametrize("signature", [b"", b"x", b"\0" * 256])
def test_a_token_without_a_signature_is_refused(login: JwtLogin, algorithm: object, signature: bytes) -> None:
    refused(login, unsigned({"alg": algorithm, "kid": "first"}, signature))


def test_a_token_whose_algorithm_is_not_named_is_refused(login: JwtLogin) -> None:
    refused(login, unsigned({"kid": "first"}, b"x" * 256))


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512", "RS256"])
@pytest.mark.parametrize("form", ["pem", "pem without its end", "jwk", "modulus", "empty"])
def test_a_token_signed_by_hmac_with_the_public_key_is_refused(login: JwtLogin, algorithm: str, form: str) -> None:
    jwk = ISSUER.key.public()
    secret = {
        "pem": ISSUER.key.public_pem,
        "pem without its end": ISSUER.key.public_pem.strip(),
        "jwk": json.dumps(jwk).encode(),
        "modulus": jwk["n"].encode(),
        "empty": b"",
    }[form]
    refused(login, by_hmac(algorithm, secret))


def test_a_symmetric_key_among_the_issuers_keys_verifies_nothing(login_of: JwtOf) -> None:
    login = login_of({"kty": "oct", "k": part(b"s" * 32), "kid": "first", "alg": "HS256"})
    refused(login, by_hmac("HS256", b"s" * 32))


@pytest.mark.parametrize("where", ["kid of ours", "own kid", "no kid"])
def test_a_token_signed_by_somebody_else_is_refused(login: JwtLogin, where: str) -> None:
    headers: dict[str, dict[str, Any]] = {"kid of ours": {"kid": "first"}, "own kid": {}, "no kid": {"kid": None}}
    refused(login, ISSUER.token(headers[where], key=OTHER))


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": OTHER.public()},
        {"jku": "https://evil.example.org/keys"},
        {"x5u": "https://evil.example.org/keys"},
        {"x5c": ["MIIB"]},
        {"crit": ["exp"]},
        {"crit": []},
        {"b64": False, "crit": ["b64"]},
        {"b64": True},
        {"zip": "DEF"},
        {"enc": "A128GCM"},
        {"typ": "logout+jwt"},
        {"typ": "dpop+jwt"},
        {"typ": 1},
        {"kid": ["first"]},
        {"kid": {"first": 1}},
        {"kid": 1},
        {"kid": "../../../../dev/null"},
        {"kid": "first' OR '1'='1"},
        {"kid": "f" * 5000},
    ],
    ids=lambda header: "-".join(sorted(header)),
)
def test_headers_that_name_a_key_or_change_what_is_signed_are_refused(login: JwtLogin, header: dict[str, Any]) -> None:
    claims = part(ISSUER.claims())
    for key in (ISSUER.key, OTHER):
        head = f"{part({'alg': 'RS256', 'kid': 'first', **header})}.{claims}"
        signature = _signed(key, head.encode())
        refused(login, f"{head}.{part(signature)}")


def _signed(key: SigningKey, content: bytes) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    signature: bytes = key.private.sign(content, padding.PKCS1v15(), hashes.SHA256())
    return signature


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
def test_the_types_of_access_and_id_tokens_are_taken(login: JwtLogin, kind: str) -> None:
    assert login.login(ISSUER.token({"typ": kind}))


def test_the_algorithm_must_be_one_of_the_settings_and_of_the_key(login_of: JwtOf) -> None:
    refused(login_of(OIDC_ALGORITHMS="ES256"), ISSUER.token())
    assert login_of(OIDC_ALGORITHMS="ES256").login(ISSUER.token(key=CURVE))
    only_for_512 = ISSUER.key.public(alg="RS512")
    refused(login_of(only_for_512, OIDC_ALGORITHMS="RS256,RS512"), ISSUER.token())
    refused(login_of(ISSUER.key.public()), unsigned({"alg": "ES256", "kid": "first"}, b"x" * 64))


@pytest.mark.parametrize(
    "changed",
    [{"use": "enc"}, {"use": 1}, {"key_ops": ["sign"]}, {"key_ops": "verify"}, {"kty": "oct"}, {"kty": ["RSA"]}],
)
def test_a_key_for_something_else_verifies_nothing(login_of: JwtOf, changed: dict[str, Any]) -> None:
    refused(login_of(ISSUER.key.public(**changed)), ISSUER.token())


def test_a_key_whose_secret_is_published_verifies_nothing(login_of: JwtOf) -> None:
    refused(login_of(ISSUER.key.secret()), ISSUER.token())


def test_a_short_key_verifies_nothing(login_of: JwtOf) -> None:
    short = SigningKey("short", bits=1024)
    refused(login_of(short.public()), ISSUER.token(key=short))


@pytest.mark.parametrize("bad", [1, None, [], {}, {"kty": "RSA"}, {"kty": "RSA", "n": "!", "e": "AQAB"}, {"kty": "EC"}])
def test_a_malformed_key_does_not_hide_the_others(login_of: JwtOf, bad: Any) -> None:
    assert login_of(bad, ISSUER.key.public()).login(ISSUER.token())


def test_a_key_without_an_id_verifies_tokens_without_one(login_of: JwtOf) -> None:
    jwk = ISSUER.key.public()
    del jwk["kid"]
    login = login_of(OTHER.public(), jwk)
    claims = part(ISSUER.claims())
    head = f"{part({'alg': 'RS256'})}.{claims}"
    assert login.login(f"{head}.{part(_signed(ISSUER.key, head.encode()))}")


@pytest.mark.parametrize("key", [ISSUER.key, CURVE])
def test_a_token_that_was_changed_anywhere_is_refused(login: JwtLogin, key: SigningKey) -> None:
    token = ISSUER.token(key=key)
    for place in range(0, len(token), 7):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        refused(login, changed)
    head, claims, signature = token.split(".")
    refused(login, f"{head}.{claims}.")
    refused(login, f"{head}.{claims}")
    refused(login, f"{head}.{claims}.{signature}.{signature}")
    refused(login, f"{head}.{part(ISSUER.claims(sub='root'))}.{signature}")


@pytest.mark.parametrize(
    "issuer",
    [
        "https://evil.example.org/",
        "https://id.example.org",
        "https://id.example.org//",
        "HTTPS://id.example.org/",
        "https://id.example.org/ ",
        "",
        None,
        1,
        ["https://id.example.org/"],
    ],
)
def test_the_issuer_must_match_to_the_letter(login: JwtLogin, issuer: object) -> None:
    refused(login, ISSUER.token(iss=issuer))


def test_the_keys_of_one_issuer_verify_no_token_of_another(login_of: JwtOf) -> None:
    second = Issuer("https://second.example.org", SigningKey("first"))
    login = login_of()
    login._keys[second.name] = login_of(second.key.public(), OIDC_ISSUERS=second.name)._keys[second.name]
    assert login.login(second.token()).owner == "https://second.example.org|alice"
    assert login.login(ISSUER.token()).owner == "https://id.example.org/|alice"
    refused(login, second.token(iss=ISSUER.name))
    refused(login, ISSUER.token(iss=second.name))


@pytest.mark.parametrize(
    "audience", ["other", "", None, [], ["other"], 1, {"cart": 1}, "car", "cart ", ["cart "], [["cart"]]]
)
def test_a_token_for_another_audience_is_refused(login: JwtLogin, audience: object) -> None:
    assert refused(login, ISSUER.token(aud=audience)) == checks.ELSEWHERE


def test_one_of_several_audiences_is_enough(login: JwtLogin) -> None:
    assert login.login(ISSUER.token(aud=["other", AUDIENCE]))


def test_only_the_holder_of_a_genuine_token_learns_what_is_wrong_with_it(login: JwtLogin) -> None:
    old = NOW - 1000
    assert refused(login, ISSUER.token(exp=old)) == checks.EXPIRED
    assert refused(login, ISSUER.token({"kid": "first"}, key=OTHER, exp=old)) == INVALID


def test_clocks_may_differ_by_a_minute() -> None:
    for good in ({"exp": NOW - 59}, {"exp": NOW + 9, "nbf": NOW + 59}, {"exp": NOW + 9, "iat": NOW + 59}):
        checks.check(ISSUER.claims(**{"iat": NOW, **good}), ISSUER.name, (AUDIENCE,), NOW)
    for bad in ({"exp": NOW - 60}, {"exp": NOW + 99, "nbf": NOW + 61}, {"exp": NOW + 99, "iat": NOW + 61}):
        with pytest.raises(LoginRequired):
            checks.check(ISSUER.claims(**{"iat": NOW, **bad}), ISSUER.name, (AUDIENCE,), NOW)


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["9999999999", True, [], {}, float("nan"), float("inf"), float("-inf"), None, "x"])
def test_a_time_that_is_not_a_number_is_refused(name: str, value: object) -> None:
    claims = {**ISSUER.claims(iat=NOW), name: value}
    with pytest.raises(LoginRequired):
        checks.check(claims, ISSUER.name, (AUDIENCE,), NOW)


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_a_number_of_any_size_is_a_time(login: JwtLogin, name: str) -> None:
    with pytest.raises(LoginRequired):
        checks.check(
            {**ISSUER.claims(iat=NOW), name: -(10**400) if name == "exp" else 10**400}, ISSUER.name, (AUDIENCE,), NOW
        )


def test_a_token_that_never_ends_is_refused(login: JwtLogin) -> None:
    refused(login, ISSUER.token(exp=None))


@pytest.mark.parametrize(
    "subject",
    [
        "",
        None,
        " ",
        " alice",
        "alice ",
        "alice\n",
        "a\0b",
        "a\tb",
        "a\x7fb",
        "\ud800",
        "a\u200bb",
        "a\u202eb",
        "a\u00a0",
        1,
        True,
        ["alice"],
        {"a": 1},
    ],
    ids=ascii,
)
def test_a_subject_that_could_pass_for_another_is_refused(login: JwtLogin, subject: object) -> None:
    refused(login, ISSUER.token(sub=subject))


def test_a_long_subject_is_an_owner_of_its_own(login: JwtLogin) -> None:
    owners = {login.login(ISSUER.token(sub="a" * 230 + end)).owner for end in ("a", "b", "ab")}
    long = {login.login(ISSUER.token(sub="é" * 300 + end)).owner for end in ("", "a", "b")}
    assert len(owners) == len(long) == 3
    assert all(len(owner) <= 255 for owner in owners | long)
    assert all(owner.startswith("sha256|") for owner in long)


@pytest.mark.parametrize(
    ("claim", "groups"),
    [
        (["a", "b"], ("a", "b")),
        ("a", ("a",)),
        (["a", 1, None, "a", " b", "", "c\n", ["d"]], ("a",)),
        ({"a": 1}, ()),
        (None, ()),
        (1, ()),
    ],
)
def test_groups_are_the_texts_that_can_be_told_apart(login: JwtLogin, claim: object, groups: tuple[str, ...]) -> None:
    assert login.login(ISSUER.token(groups=claim)).groups == groups


def test_a_claim_may_be_within_another_one(login_of: JwtOf) -> None:
    login = login_of(GROUPS_CLAIM="realm_access.roles", ADMIN_CLAIM="https://example.org/role", ADMIN_VALUE="boss")
    found = login.login(ISSUER.token(realm_access={"roles": ["a"]}, **ROLE))
    assert (found.groups, ADMIN in found.scopes) == (("a",), True)
    assert login.login(ISSUER.token(realm_access="roles")).groups == ()


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({}, {READ, WRITE}),
        ({"role": "boss"}, {READ, WRITE, ADMIN}),
        ({"role": ["x", "boss"]}, {READ, WRITE, ADMIN}),
        ({"role": "not boss"}, {READ, WRITE}),
        ({"role": {"boss": 1}}, {READ, WRITE}),
        ({"role": "guest"}, {READ}),
        ({"role": ["guest", "boss"]}, {READ, WRITE, ADMIN}),
        ({"scope": "openid email"}, {READ, WRITE}),
        ({"scope": "openid carts:read"}, {READ}),
        ({"scp": ["carts:write"]}, {WRITE}),
        ({"scope": "admin"}, set()),
        ({"scope": "carts:read admin"}, {READ}),
        ({"scope": "carts:read", "role": "boss"}, {READ}),
        ({"scope": "admin", "role": "boss"}, {ADMIN}),
        ({"scope": "carts:write", "role": "guest"}, set()),
        ({"scope": 1}, {READ, WRITE}),
    ],
)
def test_scopes_limit_what_the_role_allows_and_never_add_to_it(
    login_of: JwtOf, claims: dict[str, Any], scopes: set[Scope]
) -> None:
    login = login_of(ADMIN_CLAIM="role", ADMIN_VALUE="boss", READ_ONLY_VALUE="guest")
    assert login.login(ISSUER.token(**claims)).scopes == scopes


def test_nobody_is_an_administrator_unless_settings_say_so(login: JwtLogin) -> None:
    assert ADMIN not in login.login(ISSUER.token(**ADMINS)).scopes


GENUINE = ISSUER.token()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda of: st.lists(of) | st.dictionaries(st.text(), of),
)


@given(st.text() | st.text(alphabet="aA0_-.="))
def test_any_text_is_refused_as_a_login(login: JwtLogin, token: str) -> None:
    with pytest.raises(LoginRequired):
        login.login(token)


@given(st.integers(0, len(GENUINE) - 1), st.text(max_size=5), st.integers(0, 5))
def test_a_genuine_token_with_anything_put_in_is_refused(login: JwtLogin, place: int, text: str, cut: int) -> None:
    changed = GENUINE[:place] + text + GENUINE[place + cut :]
    if changed != GENUINE:
        with pytest.raises(LoginRequired):
            login.login(changed)


@given(JSON, JSON)
def test_any_header_and_any_claims_are_refused_or_not_known(login: JwtLogin, header: object, claims: object) -> None:
    with pytest.raises(LoginRequired):
        login.login(f"{part(header)}.{part(claims)}.eA")


@given(st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "iat", "scope", "groups"]), JSON))
def test_signed_claims_of_any_form_are_a_login_or_refused(login: JwtLogin, claims: dict[str, Any]) -> None:
    try:
        found = login.login(ISSUER.token(**claims))
    except (LoginRequired, LoginUnavailable):
        return
    assert found.owner.startswith(f"{ISSUER.name}|")
    assert ADMIN not in found.scopes


@pytest.mark.parametrize(
    "claims",
    [
        b"[" * 5000,
        b'{"iss":' * 900,
        b'{"exp":' + b"9" * 5000 + b"}",
        b'{"exp":1e999}',
        b"\xff\xfe",
        b"null",
        b'"x"',
        b"",
    ],
)
def test_json_that_breaks_parsers_is_refused(login: JwtLogin, claims: bytes) -> None:
    for head in (part({"alg": "RS256", "kid": "first"}), part(claims)):
        refused(login, f"{head}.{part(claims)}.eHh4eHg")


def test_a_file_that_becomes_unreadable_is_not_an_empty_one(tmp_path: Path) -> None:
    environ = {"AUTH": "oidc", "OIDC_ISSUERS": ISSUER.name, "OIDC_AUDIENCE": AUDIENCE}
    login = JwtLogin(load({**environ, "OIDC_JWKS_FILE": str(tmp_path / "gone")}), time.time, time.monotonic)
    with pytest.raises(LoginUnavailable):
        login.login(ISSUER.token())


def test_a_token_that_was_valid_is_refused_once_its_key_is_gone_or_it_has_expired(tmp_path: Path) -> None:
    file, token = tmp_path / "jwks.json", ISSUER.token()
    file.write_bytes(ISSUER.jwks())
    environ = {"AUTH": "oidc", "OIDC_ISSUERS": ISSUER.name, "OIDC_AUDIENCE": AUDIENCE, "OIDC_JWKS_FILE": str(file)}
    times = [time.time(), 0.0]
    login = JwtLogin(load(environ), lambda: times[0], lambda: times[1], KeyPolicy(patience=5))
    assert login.login(token) == login.login(token)
    times[0] += 400
    assert refused(login, token) == checks.EXPIRED
    times[0] -= 400
    file.write_bytes(ISSUER.jwks(SigningKey("first")))
    times[1] += 601
    assert refused(login, token) == INVALID
