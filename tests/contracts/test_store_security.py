"""SeaweedFS as `make run` starts it answers nobody without credentials, on any of its ports."""

from __future__ import annotations

import http.client
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from infra.local import store_security
from infra.local.ports import LOOPBACK
from infra.local.services import WEED_PORTS
from tests.contracts.seaweed import Seaweed, running_seaweed

BUCKET, OBJECT = "bundles", "carts/1/1.tar"
REQUESTS = [
    ("GET", "/"),
    ("GET", f"/buckets/{BUCKET}/{OBJECT}"),
    ("HEAD", f"/buckets/{BUCKET}/{OBJECT}"),
    ("PUT", f"/buckets/{BUCKET}/{OBJECT}"),
    ("POST", f"/buckets/{BUCKET}/new"),
    ("DELETE", f"/buckets/{BUCKET}?recursive=true"),
    ("GET", "/?proxyChunkId=1,01"),
    ("GET", "/dir/assign"),
    ("GET", "/dir/status"),
    ("GET", f"/col/delete?collection={BUCKET}"),
    ("GET", "/vol/vacuum"),
    ("GET", "/status"),
    ("GET", "/metrics"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """A store with one object."""
    with running_seaweed(tmp_path_factory.mktemp("seaweed"), "key", "secret") as running:
        s3 = client(running)
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key=OBJECT, Body=b"bundle")
        yield running


def client(store: Seaweed, secret: str = "secret") -> Any:
    keys: Any = {"aws_access_key_id": "key", "aws_secret_access_key": secret, "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=store.url, **keys)


def answer(port: int, method: str, path: str, context: ssl.SSLContext | None = None) -> tuple[int, bytes]:
    """Status and body, over TLS if there is a context; status 0 if the connection is refused or cut."""
    if context is None:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    else:
        connection = http.client.HTTPSConnection(LOOPBACK, port, timeout=10, context=context)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def trusting() -> ssl.SSLContext:
    """A client that takes any server, and has no certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@pytest.mark.parametrize("name", WEED_PORTS)
def test_no_port_but_s3_answers_without_a_certificate(store: Seaweed, name: str) -> None:
    plain = {request: answer(store.ports[name], *request) for request in REQUESTS}
    refused = {(0, b""), (400, b"Client sent an HTTP request to an HTTPS server.\n"), (400, b"")}
    assert {request: got for request, got in plain.items() if got not in refused} == {}
    assert {answer(store.ports[name], *request, trusting()) for request in REQUESTS} == {(0, b"")}


@pytest.mark.parametrize("name", WEED_PORTS)
def test_a_certificate_of_ones_own_opens_no_port(store: Seaweed, name: str, tmp_path: Path) -> None:
    mine = trusting()
    mine.load_cert_chain(store_security.prepare(tmp_path) / "store.pem")
    assert {answer(store.ports[name], *request, mine) for request in REQUESTS[:3]} == {(0, b"")}


def test_its_own_certificate_opens_the_filer_so_the_tests_above_can_fail(store: Seaweed) -> None:
    context = trusting()
    folder = Path(psutil.Process(store.pid).cwd())
    context.load_cert_chain(folder / "store.pem")
    assert answer(store.ports["filer"], "GET", f"/buckets/{BUCKET}/{OBJECT}", context) == (200, b"bundle")


def test_it_listens_on_no_other_port_and_on_loopback_only(store: Seaweed) -> None:
    sockets = [socket for socket in psutil.Process(store.pid).net_connections("inet") if socket.status == "LISTEN"]
    assert {(socket.laddr.ip, socket.laddr.port) for socket in sockets} == {
        (LOOPBACK, port) for port in store.ports.values()
    }


def test_its_unix_sockets_and_its_key_are_private(store: Seaweed) -> None:
    files = [*store.sockets(), *Path(psutil.Process(store.pid).cwd()).iterdir()]
    assert len(store.sockets()) >= 2
    assert {path.name: oct(path.stat().st_mode) for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077} == {}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST"])
@pytest.mark.parametrize("path", ["/", f"/{BUCKET}", f"/{BUCKET}/{OBJECT}", f"/{BUCKET}/new"])
def test_s3_serves_no_unsigned_request(store: Seaweed, method: str, path: str) -> None:
    assert answer(store.ports["s3"], method, path)[0] in (400, 403, 405)


def test_s3_works_with_the_key_and_with_no_other(store: Seaweed) -> None:
    assert client(store).get_object(Bucket=BUCKET, Key=OBJECT)["Body"].read() == b"bundle"
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client(store, "guess").get_object(Bucket=BUCKET, Key=OBJECT)


def test_the_key_is_made_once_and_the_configuration_follows_the_folder(tmp_path: Path) -> None:
    first = (store_security.prepare(tmp_path / "a") / "store.pem").read_bytes()
    assert (store_security.prepare(tmp_path / "a") / "store.pem").read_bytes() == first
    (tmp_path / "a").rename(tmp_path / "b")
    store_security.prepare(tmp_path / "b")
    assert str(tmp_path / "b" / "store.pem") in (tmp_path / "b" / "security.toml").read_text()
    assert (tmp_path / "b" / "store.pem").read_bytes() == first
