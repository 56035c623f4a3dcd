"""The keys of an issuer: fetched, kept, rotated; and an issuer that misbehaves holds up nobody."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from chalicelib.auth.issuer_keys import is_safe, issuer_keys
from chalicelib.auth.key_set import KEY_POLICY, CachedKeys, KeyPolicy
from chalicelib.auth.verification_key import VerificationKey, read_set
from chalicelib.errors import LoginUnavailable
from tests.issuer import IssuerServer, SigningKey, answering, endless, hanging, issuer_server

OLD, NEW = SigningKey("old"), SigningKey("new")
POLICY = KeyPolicy(patience=5.0)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Iterator[IssuerServer]:
    with issuer_server() as found:
        yield found


@pytest.fixture
def keys(server: IssuerServer, clock: Clock) -> CachedKeys:
    server.publish(jwks(OLD))
    return of(server, clock)


def of(server: IssuerServer, clock: Clock, policy: KeyPolicy = POLICY) -> CachedKeys:
    return issuer_keys(server.url, "", ("RS256",), clock, policy)


def jwks(*keys: SigningKey) -> bytes:
    return json.dumps({"keys": [key.public() for key in keys]}).encode()


def ids(keys: CachedKeys, key_id: str) -> list[str | None]:
    return [key.key_id for key in keys.find(key_id, "RS256")]


def unavailable(keys: CachedKeys, key_id: str = "old") -> None:
    with pytest.raises(LoginUnavailable):
        keys.find(key_id, "RS256")


def test_keys_are_fetched_once_and_kept(keys: CachedKeys, server: IssuerServer, clock: Clock) -> None:
    for _ in range(9):
        assert ids(keys, "old") == ["old"]
        clock.now += 60
    assert server.asked == ["/.well-known/openid-configuration", "/keys"]


def test_nothing_is_asked_before_the_first_token(keys: CachedKeys, server: IssuerServer) -> None:
    assert server.asked == []


def test_a_new_key_is_found_at_its_first_token(keys: CachedKeys, server: IssuerServer, clock: Clock) -> None:
    assert ids(keys, "old") == ["old"]
    server.publish(jwks(OLD, NEW))
    clock.now += POLICY.pause
    assert ids(keys, "new") == ["new"]


def test_a_key_rotated_away_is_refused_when_the_set_is_fetched_again(
    keys: CachedKeys, server: IssuerServer, clock: Clock
) -> None:
    assert ids(keys, "old") == ["old"]
    server.publish(jwks(NEW))
    clock.now += POLICY.fresh + 1
    assert ids(keys, "old") == []
    assert ids(keys, "new") == ["new"]


def test_unknown_keys_are_asked_for_at_a_bounded_rate(keys: CachedKeys, server: IssuerServer, clock: Clock) -> None:
    for number in range(50):
        assert ids(keys, f"made up {number}") == []
        clock.now += POLICY.pause / 10
    assert len(server.asked) // 2 <= 6


def test_64_requests_at_once_make_one_fetch(keys: CachedKeys, server: IssuerServer) -> None:
    with ThreadPoolExecutor(64) as threads:
        found = list(threads.map(lambda _: ids(keys, "old"), range(64)))
    assert found == [["old"]] * 64
    assert server.asked.count("/keys") == 1


def test_an_issuer_that_hangs_holds_a_request_no_longer_than_the_policy_says(server: IssuerServer) -> None:
    over = threading.Event()
    server.answers["/.well-known/openid-configuration"] = hanging(over)
    clock = Clock()
    keys = of(server, clock, KeyPolicy(patience=0.0))
    for _ in range(20):
        unavailable(keys)  # without a wait: the test would take its time otherwise
    assert server.asked.count("/.well-known/openid-configuration") <= 1
    over.set()


def test_known_keys_are_used_while_the_issuer_hangs_but_not_for_ever(server: IssuerServer, clock: Clock) -> None:
    server.publish(jwks(OLD))
    fetches: list[bool] = []
    keys = CachedKeys("it", lambda: _first_time_only(fetches), clock, POLICY)
    assert ids(keys, "old") == ["old"]
    clock.now += POLICY.fresh + 1
    assert ids(keys, "old") == ["old"]
    assert len(fetches) == 2
    clock.now = 1000 + POLICY.stale + 1
    unavailable(keys)


def _first_time_only(fetches: list[bool]) -> list[VerificationKey]:
    fetches.append(True)
    if len(fetches) > 1:
        raise TimeoutError("it hangs")
    return read_set(jwks(OLD), ("RS256",))


def test_a_failure_is_remembered_for_a_while(server: IssuerServer, clock: Clock) -> None:
    server.answers["/.well-known/openid-configuration"] = answering(b"", 500)
    keys = of(server, clock)
    for _ in range(10):
        unavailable(keys)
    assert len(server.asked) == 1
    server.publish(jwks(OLD))
    clock.now += POLICY.pause
    assert ids(keys, "old") == ["old"]


def test_an_unknown_key_is_unavailable_while_the_issuer_is_down(
    keys: CachedKeys, server: IssuerServer, clock: Clock
) -> None:
    assert ids(keys, "old") == ["old"]
    server.answers.clear()
    clock.now += POLICY.pause
    unavailable(keys, "new")
    assert ids(keys, "old") == ["old"]


BAD = {
    "500": answering(jwks(OLD), 500),
    "404": answering(jwks(OLD), 404),
    "204": answering(b"", 204),
    "redirect": answering(b"", 302, location="/elsewhere"),
    "200 MB": endless,
    "empty": answering(b""),
    "html": answering(b"<html>"),
    "a list": answering(b"[]"),
    "no keys": answering(b"{}"),
    "keys are an object": answering(b'{"keys": {"a": 1}}'),
    "too many keys": answering(json.dumps({"keys": [OLD.public()] * 101}).encode()),
    "deep": answering(b"[" * 100_000),
    "bytes": answering(bytes(range(256))),
    "a number too long": answering(b'{"keys":' + b"9" * 10_000 + b"}"),
    "broken off": answering(b'{"keys"', length=1000),
}


@pytest.mark.parametrize("path", ["/keys", "/.well-known/openid-configuration"])
@pytest.mark.parametrize("kind", sorted(BAD))
def test_an_issuer_that_sends_anything_else_makes_logins_unavailable(
    server: IssuerServer, clock: Clock, kind: str, path: str
) -> None:
    server.publish(jwks(OLD))
    server.answers["/elsewhere"] = answering(jwks(OLD))
    server.answers[path] = BAD[kind]
    unavailable(of(server, clock))
    assert "/elsewhere" not in server.asked


def test_a_set_without_usable_keys_verifies_nothing(server: IssuerServer, clock: Clock) -> None:
    server.publish(b'{"keys": []}')
    assert ids(of(server, clock), "old") == []


@pytest.mark.parametrize("issuer", ["https://evil.example.org", "", "URL/"])
def test_a_discovery_document_of_another_issuer_is_refused(server: IssuerServer, clock: Clock, issuer: str) -> None:
    server.publish(jwks(OLD), issuer=issuer.replace("URL", server.url) or "x")
    unavailable(of(server, clock))
    assert server.asked == ["/.well-known/openid-configuration"]


@pytest.mark.parametrize(
    "address", [None, 1, "", "/keys", "file:///etc/passwd", "http://example.org/k", "https://", "http://[::1"]
)
def test_keys_are_fetched_only_by_https_or_from_loopback(server: IssuerServer, clock: Clock, address: object) -> None:
    described = json.dumps({"issuer": server.url, "jwks_uri": address}).encode()
    server.answers["/.well-known/openid-configuration"] = answering(described)
    unavailable(of(server, clock))
    assert server.asked == ["/.well-known/openid-configuration"]


def test_credentials_of_netrc_are_not_sent(
    keys: CachedKeys, server: IssuerServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str | None] = []
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    normal = server.answers["/keys"]

    def noting(request: BaseHTTPRequestHandler) -> None:
        sent.append(request.headers.get("authorization"))
        normal(request)

    server.answers["/keys"] = noting
    assert ids(keys, "old") == ["old"]
    assert sent == [None]


def test_a_file_is_read_again_so_that_keys_can_rotate(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(jwks(OLD))
    keys = issuer_keys("https://id.example.org", str(file), ("RS256",), clock, POLICY)
    assert ids(keys, "old") == ["old"]
    file.write_bytes(jwks(NEW))
    clock.now += POLICY.fresh + 1
    assert (ids(keys, "old"), ids(keys, "new")) == ([], ["new"])


def test_safe_addresses() -> None:
    assert all(
        map(is_safe, ("https://a.example.org/x", "http://127.0.0.1:8080/", "http://localhost/", "http://[::1]:1/"))
    )
    assert not any(
        map(is_safe, ("http://a.example.org/", "ftp://localhost/", "http://localhost.example.org/", "https:///x"))
    )


def test_requests_wait_for_keys_a_few_seconds_at_most() -> None:
    assert KEY_POLICY.patience <= 3
