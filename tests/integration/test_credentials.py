"""Database credentials from Secrets Manager, rotated in operation; TLS that verifies the server."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from chalicelib.config.settings import load
from chalicelib.db import credentials
from chalicelib.db.database import Database, execute
from chalicelib.errors import DatabaseUnavailable, SettingsError
from tests.integration import mariadb
from tests.integration.conftest import KEYS

ONCE = {"DATABASE_CONNECT_ATTEMPTS": "1"}


class Secret:
    """A database user and the secret with its password."""

    def __init__(self, admin: Database, endpoint: str) -> None:
        self.name = f"cart{uuid.uuid4().hex[:8]}"
        self._admin = admin
        self._client: Any = boto3.client("secretsmanager", endpoint_url=endpoint)
        self.sql("CREATE USER {0} IDENTIFIED BY 'first'", "GRANT ALL ON *.* TO {0}")
        self.arn = self._client.create_secret(Name=self.name, SecretString=self._json("first"))["ARN"]

    def rotate(self, password: str) -> None:
        self.sql(f"ALTER USER {{0}} IDENTIFIED BY '{password}'")
        self.put(self._json(password))

    def put(self, value: str) -> None:
        self._client.put_secret_value(SecretId=self.arn, SecretString=value)

    def sql(self, *statements: str) -> None:
        with self._admin.session() as db:
            for statement in statements:
                execute(db, statement.format(self.name))

    def _json(self, password: str) -> str:
        return json.dumps({"username": self.name, "password": password})


@pytest.fixture
def secret(mysql: dict[str, str], aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Secret]:
    for variable, value in {**KEYS, "AWS_ENDPOINT_URL_SECRETS_MANAGER": aws}.items():
        monkeypatch.setenv(variable, value)
    admin = Database(load({**mysql, "MYSQL_DATABASE": "mysql"}))
    made = Secret(admin, aws)
    yield made
    made.sql("DROP USER {0}")
    admin.close()


def database(mysql: dict[str, str], **more: str) -> Database:
    return Database(load({**mysql, "MYSQL_DATABASE": "mysql", **ONCE, **more}))


def user(database: Database) -> str:
    with database.session() as db:
        return str(execute(db, "SELECT CURRENT_USER()").fetchone()[0]).partition("@")[0]


def test_the_login_comes_from_the_secret_and_follows_its_rotation(mysql: dict[str, str], secret: Secret) -> None:
    connected = database(mysql, MYSQL_SECRET_ARN=secret.arn, MYSQL_USER="nobody", MYSQL_PASSWORD="ignored")
    assert user(connected) == secret.name
    secret.rotate("second")
    assert user(connected) == secret.name, "an open connection stays usable"
    connected.close()
    assert user(connected) == secret.name, "a new connection uses the new secret"
    connected.close()


def test_with_an_outdated_secret_the_database_is_unavailable(mysql: dict[str, str], secret: Secret) -> None:
    secret.sql("ALTER USER {0} IDENTIFIED BY 'unknown to the secret'")
    with pytest.raises(DatabaseUnavailable):
        user(database(mysql, MYSQL_SECRET_ARN=secret.arn))


@pytest.mark.parametrize("value", ["hush{", '"hush"', '{"username": "hush"}'])
def test_a_bad_secret_is_reported_without_its_content(
    mysql: dict[str, str], secret: Secret, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    secret.put(value)
    with pytest.raises(DatabaseUnavailable):
        user(database(mysql, MYSQL_SECRET_ARN=secret.arn))
    assert "MYSQL_SECRET_ARN" in caplog.text
    assert "hush" not in caplog.text


def test_a_missing_secret_is_reported(secret: Secret, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DatabaseUnavailable):
        user(database({"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": "1"}, MYSQL_SECRET_ARN="no-such-secret"))
    assert "ResourceNotFoundException" in caplog.text


def test_without_a_secret_a_refused_login_is_not_retried() -> None:
    fixed = credentials.credentials_of(load({"MYSQL_USER": "a", "MYSQL_PASSWORD": "b"}))
    assert fixed() == fixed(refused=("a", "b")) == ("a", "b")


class Authority:
    """A certificate authority; `issue` writes a server's key and certificate."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._certificate(self.name, self.key, x509.BasicConstraints(ca=True, path_length=None))
        self.pem = made.public_bytes(Encoding.PEM).decode()

    def issue(self, folder: Path, address: str) -> list[str]:
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mysql")])
        made = self._certificate(subject, key, names)
        (folder / "cert").write_bytes(made.public_bytes(Encoding.PEM))
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        (folder / "key").write_bytes(plain)
        return [f"--ssl-cert={folder}/cert", f"--ssl-key={folder}/key"]

    def _certificate(self, subject: x509.Name, key: Any, extension: x509.ExtensionType) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(self.name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1)).add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("test")


@pytest.fixture(scope="module")
def tls_mysql(mysql: dict[str, str], authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Any:
    options = authority.issue(tmp_path_factory.mktemp("tls"), "127.0.0.1")
    with contextlib.ExitStack() as stack:
        variables = stack.enter_context(mariadb.server(*options, "--require-secure-transport=ON"))
        if variables is None:
            pytest.skip("no mariadbd to start with a certificate of the test's authority")
        yield variables


@pytest.mark.parametrize("form", ["text", "file"])
def test_a_server_certified_by_the_authority_is_used_over_tls(
    tls_mysql: dict[str, str], authority: Authority, tmp_path: Path, form: str
) -> None:
    (tmp_path / "ca.pem").write_text(authority.pem)
    connected = database(tls_mysql, MYSQL_CA=authority.pem if form == "text" else str(tmp_path / "ca.pem"))
    with connected.session() as db:
        assert execute(db, "SHOW STATUS LIKE 'Ssl_cipher'").fetchone()[1]
    connected.close()


def test_a_server_of_another_authority_is_refused(tls_mysql: dict[str, str]) -> None:
    with pytest.raises(DatabaseUnavailable):
        user(database(tls_mysql, MYSQL_CA=Authority("another").pem))


def test_a_server_with_another_name_is_refused(
    tls_mysql: dict[str, str], authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DatabaseUnavailable):
        user(database({**tls_mysql, "MYSQL_HOST": "localhost"}, MYSQL_CA=authority.pem))
    assert "Hostname mismatch" in caplog.text


def test_a_server_without_tls_is_refused_if_a_ca_is_set(mysql: dict[str, str], authority: Authority) -> None:
    with pytest.raises(DatabaseUnavailable):
        user(database(mysql, MYSQL_CA=authority.pem))


@pytest.mark.parametrize("value", ["/no/such/file.pem", "-----BEGIN CERTIFICATE-----\nno"])
def test_unreadable_certificates_are_a_settings_error(value: str) -> None:
    with pytest.raises(SettingsError, match="MYSQL_CA"):
        database({"MYSQL_HOST": "127.0.0.1"}, MYSQL_CA=value)
