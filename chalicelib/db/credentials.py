"""User and password for the database, and the TLS check of its server.

User and password come from the settings or from a secret in Secrets Manager. A secret may be rotated at any time: it is
cached until a login with it is refused, then read again. boto3 is imported only if a secret is named.
"""

from __future__ import annotations

import json
import ssl
import threading
from typing import Any, Protocol

from chalicelib.config.settings import Settings
from chalicelib.errors import DatabaseUnavailable, SettingsError

Login = tuple[str, str]


class Credentials(Protocol):
    def __call__(self, refused: Login | None = None) -> Login:
        """User and password. `refused`: the login the server just rejected; forces a re-read."""


def credentials_of(settings: Settings) -> Credentials:
    if settings.mysql_secret:
        return _Secret(settings.mysql_secret, settings.mysql_user)
    fixed = (settings.mysql_user, settings.mysql_password)
    return lambda refused=None: fixed


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """A context that checks the server's certificate and name against MYSQL_CA; None if that is not set.

    Without a context the driver checks neither. Raises SettingsError.
    """
    if not settings.mysql_ca:
        return None
    source = "cadata" if "-----BEGIN" in settings.mysql_ca else "cafile"
    try:
        return ssl.create_default_context(**{source: settings.mysql_ca})  # type: ignore[arg-type]
    except OSError as error:  # ssl.SSLError is one
        raise SettingsError([f"MYSQL_CA: cannot be read as certificates: {error}"]) from error


class _Secret:
    def __init__(self, name: str, user: str) -> None:
        self._name = name
        self._user = user
        self._held: Login | None = None
        self._lock = threading.Lock()

    def __call__(self, refused: Login | None = None) -> Login:
        with self._lock:  # if several threads are refused at once, only one reads the secret
            if self._held is None or self._held == refused:
                self._held = self._read()
            return self._held

    def _read(self) -> Login:
        import boto3
        import botocore.exceptions
        from botocore.config import Config

        config = Config(retries={"mode": "standard"}, connect_timeout=5, read_timeout=10)
        try:
            client = boto3.session.Session().client("secretsmanager", config=config)
            secret: Any = json.loads(client.get_secret_value(SecretId=self._name)["SecretString"])
            return str(secret.get("username") or self._user), str(secret["password"])
        except botocore.exceptions.ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            raise DatabaseUnavailable(f"Secrets Manager does not give MYSQL_SECRET_ARN: {code}") from error
        except botocore.exceptions.BotoCoreError as error:
            raise DatabaseUnavailable(f"Secrets Manager did not answer: {type(error).__name__}") from error
        except (ValueError, KeyError, AttributeError):
            # Not chained: the parser's message may quote a part of the secret.
            raise DatabaseUnavailable("MYSQL_SECRET_ARN is not JSON with a password.") from None
