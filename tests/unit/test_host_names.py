"""ALLOWED_HOSTS and ALLOWED_ORIGINS: what they take, and in which spelling they keep it."""

from __future__ import annotations

import pytest

from chalicelib.config.host_names import is_loopback
from chalicelib.config.settings import load
from chalicelib.errors import SettingsError


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALLOWED_HOSTS", "cart.example.org:8081"),
        ("ALLOWED_HOSTS", "*"),
        ("ALLOWED_HOSTS", "https://cart.example.org"),
        ("ALLOWED_HOSTS", "a b"),
        ("ALLOWED_HOSTS", "[::1]:80"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "null"),
        ("ALLOWED_ORIGINS", "portal.example.org"),
        ("ALLOWED_ORIGINS", "https://portal.example.org/"),
        ("ALLOWED_ORIGINS", "https://*.example.org"),
        ("ALLOWED_ORIGINS", "https://portal.example.org/carts"),
    ],
)
def test_a_list_that_could_never_match_or_match_everything_is_a_bad_setting(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        load({variable: value})


def test_each_name_is_kept_in_one_spelling() -> None:
    settings = load({"ALLOWED_HOSTS": "Cart.Example.org., [2001:DB8::0:7],192.0.2.7,::1"})
    assert settings.allowed_hosts == ("cart.example.org", "2001:db8::7", "192.0.2.7", "::1")
    settings = load({"ALLOWED_ORIGINS": "HTTPS://Portal.Example.org:443, http://[::1]:8080,http://a:80"})
    assert settings.allowed_origins == ("https://portal.example.org", "http://[::1]:8080", "http://a")


@pytest.mark.parametrize("name", ["localhost", "a.localhost", "LOCALHOST.", "127.0.0.1", "::1", "::ffff:127.0.0.9"])
def test_these_are_this_machine(name: str) -> None:
    assert is_loopback(name)


@pytest.mark.parametrize("name", ["", "0.0.0.0", "::", "10.0.0.1", "localhost.example", "127.0.0.01", "notlocalhost"])
def test_these_are_not_surely_this_machine(name: str) -> None:
    assert not is_loopback(name)
