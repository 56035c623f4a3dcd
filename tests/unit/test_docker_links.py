"""Variables of container links set the plain ones."""

from __future__ import annotations

import pytest

from chalicelib.config.docker_links import resolve_links
from chalicelib.config.settings import load

LINKED = {
    "MYSQL_PORT": "tcp://172.17.0.5:3307",
    "MYSQL_ENV_MYSQL_DATABASE": "cart",
    "MYSQL_ENV_MYSQL_USER": "someone",
    "MYSQL_ENV_MYSQL_PASSWORD": "secret",
    "ARCHIVEI_PORT": "tcp://172.17.0.6:8080",
}


def test_a_link_sets_the_databases_address_and_login() -> None:
    settings = load(LINKED)
    assert (settings.mysql_host, settings.mysql_port) == ("172.17.0.5", 3307)
    assert (settings.mysql_database, settings.mysql_user, settings.mysql_password) == ("cart", "someone", "secret")


def test_a_link_sets_the_archives_address() -> None:
    assert load(LINKED).archive_url == "http://172.17.0.6:8080/"


def test_plain_variables_take_precedence() -> None:
    plain = {"MYSQL_HOST": "db", "MYSQL_USER": "me", "ARCHIVE_INTERFACE_URL": "tape:1"}
    settings = load(LINKED | plain)
    assert (settings.mysql_host, settings.mysql_port, settings.mysql_user) == ("db", 3307, "me")
    assert settings.archive_url == "http://tape:1/"


def test_a_plain_port_is_no_link() -> None:
    resolved = resolve_links({"MYSQL_PORT": "3307"})
    assert resolved == {"MYSQL_PORT": "3307"}
    assert load(resolved).mysql_host == ""


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("tcp://db", "db", 3306),
        ("tcp://db:1/", "db", 1),
        ("tcp://[::1]:3307", "::1", 3307),
        ("tcp://[::1]", "::1", 3306),
    ],
)
def test_an_address_may_be_ipv6_or_have_no_port(address: str, host: str, port: int) -> None:
    settings = load({"MYSQL_PORT": address})
    assert (settings.mysql_host, settings.mysql_port) == (host, port)


def test_an_ipv6_archive_keeps_its_brackets() -> None:
    assert load({"ARCHIVEI_PORT": "tcp://[::1]:8080"}).archive_url == "http://[::1]:8080/"


def test_the_environment_is_not_modified() -> None:
    environ = dict(LINKED)
    resolve_links(environ)
    assert environ == LINKED
