"""The API in Lambda: the zips of `chalice package` and `infra.package`, alone on the path, called as Lambda does."""

from __future__ import annotations

import json
import os
import re
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

from infra.package import AWS_SERVICES
from tests.integration.api.transports import OverLambda
from tests.integration.conftest import KEYS
from tests.issuer import AUDIENCE, Issuer

#: What cryptography requires and uses only to build modules.
UNUSED = ("pycparser", "cffi")
ROOT = Path(__file__).parents[2]
CONFIGURATION = (".chalice/config.json", ".chalice/policy-dev.json", ".chalice/api-policy-dev.json")
SHIPPED = ("app.py", "chalicelib", "requirements.txt", *CONFIGURATION)
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
SIGNED_AND_CHECKED = """
import sys
sys.path[:0] = [sys.argv[1]]
import jwt, requests
from cryptography.hazmat.primitives.asymmetric import ec
key = ec.generate_private_key(ec.SECP256R1())
print(jwt.decode(jwt.encode({"sub": "alice"}, key, "ES256"), key.public_key(), ["ES256"])["sub"])
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
DBSYNC = """
import os
from chalicelib.config.settings import load
from chalicelib.db import database, schema
schema.sync(database.Database(load(os.environ)))
"""
MANIFEST = b'{"fileids": [{"id": 1, "path": "a"}]}'


@pytest.fixture(scope="module", params=["chalice package", "infra.package"])
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked zip of `chalice package`, and the one that is deployed."""
    folder = tmp_path_factory.mktemp("project")
    zipped = chalice_zip(folder) if request.param == "chalice package" else deployed_zip(folder)
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(folder / "unzipped")
    return folder / "unzipped"


def chalice_zip(project: Path) -> Path:
    (project / ".chalice").mkdir()
    for name in SHIPPED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, project / name)
    environ = {**os.environ, "AWS_DEFAULT_REGION": "us-east-1"}
    subprocess.run(
        [sys.executable, "-c", CHALICE, "package", "out"], cwd=project, env=environ, check=True, capture_output=True
    )
    return project / "out/deployment.zip"


def deployed_zip(folder: Path) -> Path:
    (folder / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    command = [sys.executable, "-m", "infra.package", "--ca", str(folder / "ca.pem"), "--to", str(folder)]
    return Path(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip())


@pytest.fixture(scope="module")
def variables(aws: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of the function's configuration."""
    name = f"lambda-{uuid.uuid4().hex[:12]}"
    session = boto3.session.Session("test", "test", region_name="us-east-1")
    session.client("s3", endpoint_url=aws).create_bucket(Bucket=name)
    session.client("sqs", endpoint_url=aws).create_queue(QueueName=name)
    database = tmp_path_factory.mktemp("lambda") / "cart.db"
    function = {
        "AWS_LAMBDA_FUNCTION_NAME": "cart-api",
        "AUTH_NONE_I_KNOW": "1",
        "BUNDLE_BUCKET": name,
        "JOB_QUEUE": name,
    }
    return {**KEYS, **function, "AWS_ENDPOINT_URL_S3": aws, "AWS_ENDPOINT_URL_SQS": aws, "SQLITE_PATH": str(database)}


def bare(package: Path, environ: Mapping[str, str], *arguments: str, stdin: str = "") -> str:
    """Run Python with only its standard library and the package."""
    command = [sys.executable, "-S", *arguments]
    done = subprocess.run(command, env=dict(environ), input=stdin, capture_output=True, text=True, cwd=package)
    assert done.returncode == 0, done.stderr
    return done.stdout


def serve(package: Path, environ: Mapping[str, str], *calls: tuple[str, Any]) -> tuple[list[Any], list[str]]:
    """The handlers' responses, and the packages they imported."""
    printed = bare(package, environ, "-I", "-c", SERVE, str(package), stdin=json.dumps(calls))
    answers, modules = json.loads(printed.splitlines()[-1])  # after the metrics, if it writes any
    return answers, modules


def test_the_zip_contains_the_whole_product_and_nothing_else(package: Path) -> None:
    product = {path.relative_to(ROOT) for path in (ROOT / "chalicelib").rglob("*.py")} | {Path("app.py")}
    shipped = {path.relative_to(package) for path in (package / "chalicelib").rglob("*.py")}
    assert shipped | {Path("app.py")} == product
    assert any(path.parts[:3] == ("chalicelib", "db", "migrations") for path in shipped)
    for name in ("workers", "infra", "tests", "moto", "psutil", "gunicorn", "flask"):
        assert not (package / name).exists()


def test_the_zip_has_no_package_that_the_handlers_do_not_import(
    package: Path, variables: dict[str, str], tmp_path: Path
) -> None:
    bare(package, variables, "-c", DBSYNC)
    modules = {*_imported_for_a_login(package, variables, tmp_path), *UNUSED}
    modules |= {module.partition(".")[0] for module in serve(package, variables, ("sweep", SCHEDULED))[1]}
    shipped = {path.name.partition(".")[0] for path in package.iterdir() if path.suffix in (".py", "")}
    packaged_with_peewee = {"playhouse", "peewee-stubs", "pwiz"} if (package / "pwiz.py").exists() else set()
    asked_for = {"requests", "certifi", "charset_normalizer", "idna"}  # by a policy
    asked_for |= {"prometheus_client", "pythonjsonlogger"}  # by /-/metrics, and with LOG_FORMAT=json
    assert shipped - modules - packaged_with_peewee - asked_for - {"bin", "__pycache__"} == set()
    for tool in ("pip", "setuptools", "pkg_resources", "wheel", "inquirer", "yaml", "click", "chalice/cli"):
        assert not (package / tool).exists()


def test_without_logins_no_package_for_them_is_imported(package: Path, variables: dict[str, str]) -> None:
    bare(package, variables, "-c", DBSYNC)
    _, modules = serve(package, variables, ("app", OverLambda().event("HEAD", "/a", b"", {})), ("sweep", SCHEDULED))
    assert not {"jwt", "requests"} & set(modules)  # pymysql imports cryptography if it is there


def _imported_for_a_login(package: Path, variables: dict[str, str], folder: Path) -> set[str]:
    """By requests with a JWT: of an issuer whose keys are in a file, and of one that must be asked and is not there."""
    issuer, found = Issuer("http://127.0.0.1:9"), set[str]()
    (folder / "jwks.json").write_bytes(issuer.jwks())
    login = {"AUTH": "oidc", "OIDC_ISSUERS": issuer.name, "OIDC_AUDIENCE": AUDIENCE}
    request = OverLambda().event("HEAD", "/a", b"", {"authorization": f"Bearer {issuer.token()}"})
    for more, status in (({"OIDC_JWKS_FILE": str(folder / "jwks.json")}, 404), ({}, 503)):
        answers, modules = serve(package, {**variables, **login, **more}, ("app", request))
        assert answers[0]["statusCode"] == status, answers
        found |= set(modules)
    return found


def test_the_deployed_zip_describes_the_services_that_the_code_calls_and_no_others() -> None:
    calls = [
        re.findall(r"""\.client\(\s*["'](\w+)""", path.read_text()) for path in (ROOT / "chalicelib").rglob("*.py")
    ]
    assert {service for called in calls for service in called} == set(AWS_SERVICES)
    assert not [path for path in (ROOT / "chalicelib").rglob("*.py") if ".resource(" in path.read_text()]


def test_the_deployed_zip_is_small(tmp_path: Path) -> None:
    """Most of it is what checks the signatures of JWTs."""
    assert deployed_zip(tmp_path).stat().st_size < 8 << 20


def test_the_zip_works_on_its_own(package: Path, variables: dict[str, str]) -> None:
    bare(package, variables, "-c", DBSYNC)
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
    """Over TLS the password is sent in clear; only without TLS is RSA needed."""
    sent = bare(package, variables, "-I", "-c", SHA2_OVER_TLS, str(package))
    assert sent.strip() == repr(b"secret\0")


def test_the_zip_can_check_the_signature_of_a_jwt(package: Path, variables: dict[str, str]) -> None:
    """Its compiled parts are those of Lambda's Linux, as here."""
    assert bare(package, variables, "-I", "-c", SIGNED_AND_CHECKED, str(package)).strip() == "alice"


def test_without_its_tables_a_lambda_answers_503(package: Path, variables: dict[str, str], tmp_path: Path) -> None:
    environ = {**variables, "SQLITE_PATH": str(tmp_path / "none.db")}
    answers, _ = serve(package, environ, ("app", OverLambda().event("GET", "/a", b"", {})))
    assert answers[0]["statusCode"] == 503


def test_a_cold_start_imports_nothing_it_does_not_need(package: Path, variables: dict[str, str]) -> None:
    _, modules = serve(package, variables, ("app", OverLambda().event("GET", "/", b"", {})))
    for heavy in ("workers", "infra", "moto", "psutil", "requests", "jwt", "setuptools", "pip"):
        assert heavy not in modules
    assert "boto3" in modules
