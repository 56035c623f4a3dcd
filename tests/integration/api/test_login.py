"""Logins over every transport: 401 in one form, and nobody gets another's carts."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import requests
from oidc_provider_mock import User, run_server_in_thread  # type: ignore[import-untyped]

import app
import asgi
import wsgi
from chalicelib.api.asgi_application import LARGE_BODY
from chalicelib.caller import Scope
from chalicelib.config.settings import load
from chalicelib.db.database import Database
from chalicelib.stores.access_tokens import AccessTokenStore
from tests.integration.api.conftest import MANIFEST, TRANSPORTS, new_uid
from tests.integration.api.server import ROOT, chalice_local, exchange, free_port, granian
from tests.integration.api.transports import Answer, OverASGI, OverLambda, OverWSGI, Transport
from tests.integration.conftest import KEYS
from tests.issuer import AUDIENCE, Issuer, SigningKey

BODY = json.dumps(MANIFEST).encode()
ISSUER = Issuer()
CALLS = (
    ("HEAD", "/{}"),
    ("GET", "/{}"),
    ("POST", "/{}"),
    ("DELETE", "/{}"),
    ("GET", "/{}/status"),
    ("GET", "/{}/files"),
    ("POST", "/{}/manifest"),
)


@pytest.fixture(scope="module")
def variables(aws: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The API's environment, with logins, also set in this process."""
    folder, name = tmp_path_factory.mktemp("login"), f"login-{new_uid()[:12]}"
    (folder / "jwks.json").write_bytes(ISSUER.jwks())
    login = {"AUTH": "oidc,token", "OIDC_ISSUERS": ISSUER.name, "OIDC_AUDIENCE": AUDIENCE}
    login |= {"OIDC_JWKS_FILE": str(folder / "jwks.json"), "ADMIN_CLAIM": "role", "ADMIN_VALUE": "boss"}
    environ = {**KEYS, **login, "AWS_ENDPOINT_URL_S3": aws, "AWS_ENDPOINT_URL_SQS": aws}
    environ |= {"SQLITE_PATH": str(folder / "cart.db"), "BUNDLE_BUCKET": name, "JOB_QUEUE": name}
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in environ.items():
            patch.setenv(variable, value)
        boto3.client("s3").create_bucket(Bucket=name)
        boto3.client("sqs").create_queue(QueueName=name)
        forget()
        yield environ
    forget()


def forget() -> None:
    for cached in (app.system, app.max_body, asgi._application):
        cached.cache_clear()


@pytest.fixture(scope="module")
def transports(variables: dict[str, str]) -> dict[str, Transport]:
    return {
        "wsgi": OverWSGI(wsgi.application()),
        "asgi": OverASGI(asgi.application),
        "lambda": OverLambda(),
        "lambda in base64": OverLambda(binary=True),
    }


@pytest.fixture(params=TRANSPORTS)
def call(request: pytest.FixtureRequest, transports: dict[str, Transport]) -> Transport:
    return transports[request.param]


@pytest.fixture(scope="module")
def tokens(transports: dict[str, Transport]) -> Iterator[AccessTokenStore]:
    database = Database(load(os.environ))
    yield AccessTokenStore(database)
    database.close()


def bearer(subject: str, **claims: object) -> dict[str, str]:
    return {"authorization": f"Bearer {ISSUER.token(sub=subject, **claims)}"}  # type: ignore[arg-type]


def send(call: Transport, method: str, path: str, headers: dict[str, str]) -> Answer:
    return call(method, path, BODY if method == "POST" and not path.endswith("manifest") else b"", **headers)


BAD = {
    "no login": {},
    "a void header": {"authorization": ""},
    "nonsense": {"authorization": "nonsense"},
    "unsigned": {"authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."},
    "of another key": {"authorization": f"Bearer {ISSUER.token(key=SigningKey('first'))}"},
    "expired": bearer("alice", exp=1000),
    "another audience": bearer("alice", aud="other"),
    "unknown token": {"authorization": "Bearer cart_" + "a" * 43},
    "two": {"authorization": f"Bearer {ISSUER.token()}, Bearer {ISSUER.token()}"},
}


@pytest.mark.parametrize("bad", sorted(BAD))
def test_a_wrong_or_missing_login_is_401_whether_the_cart_exists_or_not(call: Transport, bad: str) -> None:
    uid = new_uid()
    assert send(call, "POST", f"/{uid}", bearer("alice")).status == 201
    for method, path in CALLS:
        there, not_there = (send(call, method, path.format(name), BAD[bad]) for name in (uid, "unknown"))
        assert there == not_there
        assert there.status == 401
        assert "www-authenticate" in there.headers
        assert ISSUER.name not in repr(there)
        if method == "HEAD":
            assert there.body == b""
            assert there.headers["x-pacifica-status"] == "error"
            assert there.headers["x-pacifica-message"]
        else:
            assert there.json()["status"] == "error"


def test_a_login_is_checked_where_nobody_needs_one(call: Transport) -> None:
    for method, path in (("GET", "/"), ("OPTIONS", "/a")):
        assert call(method, path).status < 300
        assert call(method, path, **bearer("alice")).status < 300
        for name in sorted(set(BAD) - {"no login"}):
            assert call(method, path, **BAD[name]).status == 401, name


def test_what_is_anothers_is_not_found(call: Transport) -> None:
    uid = new_uid()
    assert send(call, "POST", f"/{uid}", bearer("alice")).status == 201
    for method, path in CALLS[:2] + CALLS[3:6]:
        mine = send(call, method, path.format("never"), bearer("bob"))
        assert send(call, method, path.format(uid), bearer("bob")).status == mine.status == 404
    assert send(call, "HEAD", f"/{uid}", bearer("alice")).status == 202


def test_the_same_subject_of_an_access_token_is_somebody_else(call: Transport, tokens: AccessTokenStore) -> None:
    uid = new_uid()
    assert send(call, "POST", f"/{uid}", bearer("alice")).status == 201
    _, token = tokens.add("alice", {Scope.READ}, (), None, "")
    assert send(call, "HEAD", f"/{uid}", {"authorization": f"Bearer {token}"}).status == 404


def test_a_token_comes_as_password_of_any_user_as_requests_sends_it(call: Transport, tokens: AccessTokenStore) -> None:
    _, token = tokens.add("carol", {Scope.READ, Scope.WRITE}, (), None, "")
    for secret in (token, ISSUER.token()):
        basic = {"authorization": "Basic " + base64.b64encode(f"me:{secret}".encode()).decode()}
        uid = new_uid()
        assert send(call, "POST", f"/{uid}", basic).status == 201
        assert send(call, "HEAD", f"/{uid}", {"authorization": f"Bearer {secret}"}).status == 202


def test_scopes_are_what_a_token_may_do(call: Transport, tokens: AccessTokenStore) -> None:
    _, reader = tokens.add("dave", {Scope.READ}, (), None, "")
    _, writer = tokens.add("dave", {Scope.WRITE}, (), None, "")
    uid, headers = new_uid(), [{"authorization": f"Bearer {token}"} for token in (reader, writer)]
    assert [send(call, "POST", f"/{uid}", each).status for each in headers] == [403, 201]
    assert [send(call, "HEAD", f"/{uid}", each).status for each in headers] == [202, 403]
    assert [send(call, "DELETE", f"/{uid}", each).status for each in headers] == [403, 200]


def test_only_an_administrator_acts_for_others(call: Transport) -> None:
    uid, owner = new_uid(), f"{ISSUER.name}|erin".replace("|", "%7C")
    assert send(call, "POST", f"/{uid}", bearer("erin")).status == 201
    assert send(call, "HEAD", f"/{uid}?owner={owner}", bearer("boss", role="boss")).status == 202
    assert send(call, "HEAD", f"/{uid}?owner={owner}", bearer("boss")).status == 403


def test_several_headers_are_not_one_login() -> None:
    gateway = OverLambda()
    event = gateway.event("HEAD", "/a", b"", bearer("alice"))
    for values in ([ISSUER.token(), ISSUER.token()], ["x", "y"]):
        several = {**event, "multiValueHeaders": {"Authorization": [f"Bearer {value}" for value in values]}}
        assert app.app(several, None)["statusCode"] == 401
    twice = {**event, "headers": {**event["headers"], "authorization": event["headers"]["Authorization"]}}
    assert app.app(twice, None)["statusCode"] == 401


def test_64_requests_of_different_owners_are_never_mixed(transports: dict[str, Transport]) -> None:
    call = transports["wsgi"]
    uid = new_uid()

    def own(number: int) -> tuple[int, int, str]:
        mine = bearer(f"user{number}")
        manifest = json.dumps({"fileids": [{"id": f"of{number}", "path": f"of{number}"}]}).encode()
        posted = call("POST", f"/{uid}", manifest, **mine)
        files = call("GET", f"/{uid}/files", b"", **mine)
        return number, posted.status, files.json()["files"][0]["id"]

    with ThreadPoolExecutor(64) as threads:
        assert list(threads.map(own, range(64))) == [(number, 201, f"of{number}") for number in range(64)]


def test_a_large_body_is_not_read_from_who_cannot_log_in(variables: dict[str, str]) -> None:
    head = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n"
    with granian(variables) as server:
        with server.connection() as connection:
            connection.sendall(head % (LARGE_BODY + 1, b"Expect: 100-continue\r\n"))
            assert connection.recv(65536).startswith(b"HTTP/1.1 401")
        with server.connection() as connection:
            answer, _ = exchange(connection, head % (LARGE_BODY + 1, b"") + b"x" * (LARGE_BODY + 1))
            assert answer.status == 401


def test_a_real_provider_logs_people_in(variables: dict[str, str], tmp_path: Path) -> None:
    with run_server_in_thread(user_claims=[User(sub="alice", claims={"role": "boss"})]) as provider:
        issuer = f"http://localhost:{provider.server_port}"
        token, audience = token_for(issuer, "alice")
        own = {
            "OIDC_ISSUERS": issuer,
            "OIDC_AUDIENCE": audience,
            "OIDC_JWKS_FILE": "",
            "SQLITE_PATH": str(tmp_path / "d"),
        }
        with granian({**variables, **own}) as server:
            uid = new_uid()
            url, headers = f"{server.url}/{uid}", {"Authorization": f"Bearer {token}"}
            assert requests.post(url, data=BODY, timeout=10).status_code == 401
            assert requests.post(url, data=BODY, headers=headers, timeout=10).status_code == 201
            assert requests.head(url, auth=("alice", token), timeout=10).status_code == 202
            forged = token[:-8] + "AAAAAAAA"
            assert requests.head(url, auth=("alice", forged), timeout=10).status_code == 401


def token_for(issuer: str, subject: str) -> tuple[str, str]:
    """An ID token, by the authorization code flow, and its audience: the client."""
    client, back = "cart-client", "http://localhost/back"
    asked = {"client_id": client, "redirect_uri": back, "response_type": "code", "scope": "openid"}
    authorize = f"{issuer}/oauth2/authorize"
    agreed = requests.post(authorize, params=asked, data={"sub": subject}, allow_redirects=False, timeout=10)
    [code] = parse_qs(urlsplit(agreed.headers["location"]).query)["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
    answer = requests.post(f"{issuer}/oauth2/token", data=form, auth=(client, "secret"), timeout=10)
    return answer.json()["id_token"], client


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_without_logins_the_server_does_not_start_on_other_addresses(variables: dict[str, str], host: str) -> None:
    command = [sys.executable, "-m", "granian", "--host", host, "--port", str(free_port()), "--interface", "asginl"]
    environ = {**variables, "AUTH": "none"}
    done = subprocess.run(
        [*command, "asgi:application"], env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert "AUTH_NONE_I_KNOW=1" in done.stdout + done.stderr


@pytest.mark.usefixtures("transports")  # they make the tables
def test_under_chalice_local_logins_are_the_same(variables: dict[str, str]) -> None:
    with chalice_local(variables) as server:
        url, headers = f"{server.url}/{new_uid()}", {"Authorization": bearer("alice")["authorization"]}
        refused = requests.post(url, data=BODY, timeout=20)
        assert refused.status_code == 401
        assert {"Basic", "Bearer"} <= set(refused.headers["WWW-Authenticate"].split())
        assert requests.post(url, data=BODY, headers=headers, timeout=20).status_code == 201
        assert requests.head(url, headers={"Authorization": "Bearer x"}, timeout=20).headers["X-Pacifica-Message"]
        assert requests.head(url, headers=headers, timeout=20).status_code == 202
