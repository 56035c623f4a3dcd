"""Variables of container links, as the plain ones."""

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


def test_a_link_says_where_the_database_is_and_who_may_use_it() -> None:
    settings = load(LINKED)
    assert (settings.mysql_host, settings.mysql_port) == ("172.17.0.5", 3307)
    assert (settings.mysql_database, settings.mysql_user, settings.mysql_password) == ("cart", "someone", "secret")


def test_a_link_says_where_the_archive_is() -> None:
    assert load(LINKED).archive_url == "http://172.17.0.6:8080/"


def test_what_is_set_plainly_wins() -> None:
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
def test_an_address_may_lack_its_port_or_be_of_ipv6(address: str, host: str, port: int) -> None:
    settings = load({"MYSQL_PORT": address})
    assert (settings.mysql_host, settings.mysql_port) == (host, port)


def test_an_archive_of_ipv6_keeps_its_brackets() -> None:
    assert load({"ARCHIVEI_PORT": "tcp://[::1]:8080"}).archive_url == "http://[::1]:8080/"


def test_the_environment_itself_is_left_alone() -> None:
    environ = dict(LINKED)
    resolve_links(environ)
    assert environ == LINKED
