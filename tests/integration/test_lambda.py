"""The API in Lambda: the zip of `chalice package`, alone on the path, called with events of API Gateway."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.integration.api.transports import OverLambda
from tests.integration.conftest import KEYS

ROOT = Path(__file__).parents[2]
SHIPPED = ("app.py", "chalicelib", "requirements.txt", ".chalice/config.json", ".chalice/policy-dev.json")
CHALICE = "from chalice.cli import main; main()"
SERVE = """
import json, sys
sys.path[:0] = [sys.argv[1]]
import app
answers = [getattr(app, name)(event, None) for name, event in json.load(sys.stdin)]
json.dump([answers, sorted({module.partition(".")[0] for module in sys.modules})], sys.stdout)
"""
SHA2_OVER_TLS = """
import sys
sys.path[:0] = [sys.argv[1]]
from pymysql import _auth
class FullAuthRequired:  # the server's response to the fast path: it wants the whole password
    _data = b"\\x01\\x04"
    advance = is_auth_switch_request = read_all = lambda self, *_: None
    is_extra_auth_data = lambda self: True
    read_uint8 = lambda self: 4
class Connection:
    _secure, password, salt, server_public_key, user = True, b"secret", b"s" * 20, None, "cartd"
    sent = []
    write_packet = lambda self, data: self.sent.append(data)
    _read_packet = lambda self: type("Ok", (), {"check_error": lambda self: None})()
connection = Connection()
_auth.caching_sha2_password_auth(connection, FullAuthRequired())
print(connection.sent[-1])
"""
SCHEDULED = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2025-10-08T16:53:06Z",
    "region": "us-east-1",
    "resources": ["arn:aws:events:us-east-1:123456789012:rule/sweep"],
    "detail": {},
}
MANIFEST = b'{"fileids": [{"id": 1, "path": "a"}]}'


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked zip of `chalice package`."""
    project = tmp_path_factory.mktemp("project")
    (project / ".chalice").mkdir()
    for name in SHIPPED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, project / name)
    environ = {**os.environ, "AWS_DEFAULT_REGION": "us-east-1"}
    subprocess.run(
        [sys.executable, "-c", CHALICE, "package", "out"], cwd=project, env=environ, check=True, capture_output=True
    )
    with zipfile.ZipFile(project / "out/deployment.zip") as archive:
        archive.extractall(project / "unzipped")
    return project / "unzipped"


@pytest.fixture(scope="module")
def variables(aws: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of the function's configuration."""
    name = f"lambda-{uuid.uuid4().hex[:12]}"
    session = boto3.session.Session("test", "test", region_name="us-east-1")
    session.client("s3", endpoint_url=aws).create_bucket(Bucket=name)
    session.client("sqs", endpoint_url=aws).create_queue(QueueName=name)
    database = tmp_path_factory.mktemp("lambda") / "cart.db"
    function = {"AWS_LAMBDA_FUNCTION_NAME": "cart-api", "BUNDLE_BUCKET": name, "JOB_QUEUE": name}
    return {**KEYS, **function, "AWS_ENDPOINT_URL_S3": aws, "AWS_ENDPOINT_URL_SQS": aws, "SQLITE_PATH": str(database)}


def bare(package: Path, environ: Mapping[str, str], *arguments: str, stdin: str = "") -> str:
    """Run Python with only its standard library and the package."""
    command = [sys.executable, "-S", *arguments]
    done = subprocess.run(command, env=dict(environ), input=stdin, capture_output=True, text=True, cwd=package)
    assert done.returncode == 0, done.stderr
    return done.stdout


def serve(package: Path, environ: Mapping[str, str], *calls: tuple[str, Any]) -> tuple[list[Any], list[str]]:
    """The handlers' responses, and the packages they imported."""
    answers, modules = json.loads(bare(package, environ, "-I", "-c", SERVE, str(package), stdin=json.dumps(calls)))
    return answers, modules


def test_the_zip_contains_the_whole_product_and_nothing_else(package: Path) -> None:
    product = {path.relative_to(ROOT) for path in (ROOT / "chalicelib").rglob("*.py")} | {Path("app.py")}
    shipped = {path.relative_to(package) for path in (package / "chalicelib").rglob("*.py")}
    assert shipped | {Path("app.py")} == product
    assert any(path.parts[:3] == ("chalicelib", "db", "migrations") for path in shipped)
    for name in ("workers", "infra", "tests", "moto", "psutil", "gunicorn", "flask"):
        assert not (package / name).exists()


def test_the_zip_fits_into_a_lambda(package: Path) -> None:
    assert sum(path.stat().st_size for path in package.rglob("*") if path.is_file()) < 250 << 20


def test_the_zip_works_on_its_own(package: Path, variables: dict[str, str]) -> None:
    bare(package, variables, "-m", "chalicelib.command", "dbsync")
    gateway, uid = OverLambda(binary=True), uuid.uuid4().hex
    answers, _ = serve(
        package,
        variables,
        ("app", gateway.event("GET", "/", b"", {})),
        ("app", gateway.event("POST", f"/{uid}", MANIFEST, {"content_type": "application/json"})),
        ("app", gateway.event("HEAD", f"/{uid}", b"", {})),
        ("app", gateway.event("POST", f"/{uid}", b" " * (4 << 20) + MANIFEST, {})),
        ("sweep", SCHEDULED),
    )
    assert [answer.get("statusCode") for answer in answers[:-1]] == [200, 201, 202, 413]
    assert answers[2]["headers"]["X-Pacifica-Status"] == "waiting"
    assert str(4 << 20) in json.loads(answers[3]["body"])["message"]
    assert answers[-1] == {"sent_again": 0}


def test_mysqls_default_authentication_works_over_tls(package: Path, variables: dict[str, str]) -> None:
    """Over TLS the password is sent in clear; only without TLS is RSA needed, which the zip does not contain."""
    sent = bare(package, variables, "-I", "-c", SHA2_OVER_TLS, str(package))
    assert sent.strip() == repr(b"secret\0")
    assert not (package / "cryptography").exists()


def test_without_its_tables_a_lambda_answers_503(package: Path, variables: dict[str, str], tmp_path: Path) -> None:
    environ = {**variables, "SQLITE_PATH": str(tmp_path / "none.db")}
    answers, _ = serve(package, environ, ("app", OverLambda().event("GET", "/a", b"", {})))
    assert answers[0]["statusCode"] == 503


def test_a_cold_start_imports_nothing_it_does_not_need(package: Path, variables: dict[str, str]) -> None:
    _, modules = serve(package, variables, ("app", OverLambda().event("GET", "/", b"", {})))
    for heavy in ("workers", "infra", "moto", "psutil", "requests", "setuptools", "pip", "asyncio"):
        assert heavy not in modules
    assert "boto3" in modules
