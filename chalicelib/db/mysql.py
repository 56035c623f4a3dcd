"""Connections to MySQL and MariaDB: login and session settings."""

from __future__ import annotations

import ssl
import threading
from typing import Any

import peewee
import pymysql
import pymysql.connections
from pymysql.constants import CLIENT

from chalicelib.config.settings import Settings
from chalicelib.db.credentials import credentials_of, tls_of

READ_TIMEOUT = 60.0  # seconds
REFUSED = 1045  # MySQL: wrong user or password
STRICT = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"


class SharedContext:
    """The TLS context of connections without MYSQL_CA, made when the first is: each takes 20 to 30 ms of CPU to make.

    Such a connection is encrypted if the server can, and checks no certificate.
    """

    def __init__(self) -> None:
        self._making = threading.Lock()
        self._context: ssl.SSLContext | None = None

    def get(self) -> ssl.SSLContext:
        with self._making:
            if self._context is None:
                self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                self._context.check_hostname = False
                self._context.verify_mode = ssl.CERT_NONE
            return self._context


SHARED_CONTEXT = SharedContext()


class Connection(pymysql.connections.Connection):
    """PyMySQL makes a context for each connection, which reads all certificate authorities of the machine."""

    def _create_ssl_ctx(self, sslp: Any) -> ssl.SSLContext:
        return sslp if isinstance(sslp, ssl.SSLContext) else SHARED_CONTEXT.get()


class MySQL(peewee.MySQLDatabase):
    def __init__(self, settings: Settings, read_timeout: float | None) -> None:
        """`read_timeout`: seconds to wait for the server's next bytes, None for as long as it takes."""
        super().__init__(
            settings.mysql_database,
            host=settings.mysql_host,
            port=settings.mysql_port,
            ssl=tls_of(settings),
            charset="utf8mb4",
            collation="utf8mb4_bin",
            connect_timeout=10,
            read_timeout=read_timeout,
            write_timeout=60,
            client_flag=CLIENT.FOUND_ROWS,
        )
        self._credentials = credentials_of(settings)

    def _connect(self) -> Any:
        connection = self._logged_in()
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            cursor.execute(f"SET SESSION sql_mode='{STRICT}', time_zone='+00:00', innodb_lock_wait_timeout=10")
        return connection

    def _logged_in(self) -> Any:
        """A connection. If the login is refused, the credentials are read again, since they may have been rotated."""
        login = self._credentials()
        try:
            return self._login(*login)
        except pymysql.err.OperationalError as error:
            if error.args[0] != REFUSED or (fresh := self._credentials(refused=login)) == login:
                raise
        return self._login(*fresh)

    def _login(self, user: str, password: str) -> Any:
        parameters = {**self.connect_params, "user": user, "password": password}
        return Connection(database=self.database, autocommit=True, **parameters)
