"""`dbusers` and `dbgrants`: a user of the database for each process, with the rights it needs and no more."""

from __future__ import annotations

import json
import secrets
from typing import Any

import click

from chalicelib.admin.operator import Operator
from chalicelib.admin.output import json_option, show
from chalicelib.db import rights, schema
from chalicelib.db.database import Database
from chalicelib.errors import CartError

NOT_MYSQL = "Users and rights are a matter of MySQL and MariaDB: set MYSQL_HOST."
FOUND = """SELECT table_name, privilege_type FROM information_schema.table_privileges
           WHERE grantee = %s AND table_schema = %s"""


@click.command()
@click.option(
    "--secret",
    "named",
    type=(click.Choice(rights.PROCESSES), str),
    metavar="PROCESS ARN",
    multiple=True,
    required=True,
    help="A process and its secret in Secrets Manager: api, sweep or workers. May be given several times.",
)
@json_option
@click.pass_obj
def dbusers(operator: Operator, named: tuple[tuple[str, str], ...], as_json: bool) -> None:
    """Do dbsync, then make a database user for each process named, with least rights.

    A user's password is the one in its secret. If the secret is empty, a password is made and stored there first, so
    that the command may be repeated at any time; each time it sets the rights of this version. It needs the login of
    the tables' owner.
    """
    database = _mysql(operator)
    schema.sync(database)
    for process, secret in named:
        make_user(database, operator.settings.mysql_database, process, _password(process, secret))
    users = [rights.name_of(process) for process, _ in named]
    show(as_json, {"users": users}, f"users with the rights of this version: {', '.join(users)}")


@click.command()
@click.pass_obj
def dbgrants(operator: Operator) -> None:
    """Print the statements that give each process's user its rights.

    For those who make the users themselves: cart_api, cart_sweep and cart_workers.
    """
    for process in rights.PROCESSES:
        for statement in rights.grants(process, operator.settings.mysql_database):
            click.echo(f"{statement};")


def make_user(database: Database, name: str, process: str, password: str) -> None:
    """Make the user of `process`, or give it this password; then set its rights in the database `name`."""
    login = (rights.name_of(process), password)
    with database.session() as db:
        connection: Any = db.connection()  # type: ignore[no-untyped-call]
        with connection.cursor() as cursor:  # not by peewee, which may log what it executes
            cursor.execute("CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s", login)
            cursor.execute("ALTER USER %s@'%%' IDENTIFIED BY %s", login)
            _set_rights(cursor, name, process)


def _set_rights(cursor: Any, name: str, process: str) -> None:
    """First what is granted: processes are running meanwhile."""
    for statement in rights.grants(process, name):
        cursor.execute(statement)
    cursor.execute(FOUND, (rights.user_of(process), name))
    for statement in rights.revocations(process, name, [(str(table), str(verb)) for table, verb in cursor.fetchall()]):
        cursor.execute(statement)


def _mysql(operator: Operator) -> Database:
    if not operator.patient.is_mysql:
        raise CartError(NOT_MYSQL)
    return operator.patient


def _password(process: str, secret: str) -> str:
    """The password in the secret; a new one is stored before it is used. Raises CartError."""
    import boto3  # here: the health check runs dbchk every minute
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.session.Session().client("secretsmanager")
    try:
        found = client.get_secret_value(SecretId=secret)
        if "SecretString" in found or "SecretBinary" in found:
            return _stored(process, found.get("SecretString", ""))
        return _made(client, process, secret)
    except client.exceptions.ResourceNotFoundException:  # AWS's answer for a secret without a value
        return _made(client, process, secret)
    except (BotoCoreError, ClientError) as error:
        raise CartError(f"Secrets Manager does not give the secret of {process}: {error}") from error


def _stored(process: str, text: str) -> str:
    try:
        found: Any = json.loads(text)
        return str(found["password"])
    except (ValueError, KeyError, TypeError):  # not chained: the parser's message may quote the secret
        raise CartError(f"The secret of {process} is not JSON with a password.") from None


def _made(client: Any, process: str, secret: str) -> str:
    """A new password, stored. Raises ClientError."""
    password = secrets.token_urlsafe(32)
    login = json.dumps({"username": rights.name_of(process), "password": password})
    client.put_secret_value(SecretId=secret, SecretString=login)
    return password
