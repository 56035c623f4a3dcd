"""Settings: defaults, parsing, and one error for all bad variables."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config.settings import Settings, load
from chalicelib.errors import SettingsError

VARIABLES = [field.metadata["env"] for field in dataclasses.fields(Settings)]
MIB = 1 << 20


def bad(**environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(environ)
    return caught.value.message


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    """The problems of an environment; any other exception than SettingsError fails the test."""
    try:
        load(environ)
    except SettingsError as error:
        return error.problems
    return ()


def test_without_variables_the_defaults_apply() -> None:
    assert load({}) == Settings()
    assert (load({}).mysql_host, load({}).max_body, load({}).bundle_url_life) == ("", 64 * MIB, 3600)
    assert (load({}).database_connect_attempts, load({}).database_wait, load({}).pull_concurrency) == (3, 10.0, 16)


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load(dict.fromkeys(VARIABLES, "")) == Settings()


def test_unrelated_variables_are_ignored() -> None:
    assert load({"PATH": "/bin", "LC_ALL": "x"}) == Settings()


def test_every_bad_variable_is_named_at_once() -> None:
    message = bad(MYSQL_PORT="0", LEASE="soon", LOG_LEVEL="loud", VOLUME_PATH="here", MAX_BODY="-1", PART_SIZE="1M")
    for variable in ("MYSQL_PORT", "LEASE", "LOG_LEVEL", "VOLUME_PATH", "MAX_BODY", "PART_SIZE"):
        assert f"\n  {variable}: must be" in message


def test_the_workers_need_a_volume() -> None:
    with pytest.raises(SettingsError, match="VOLUME_PATH: is required by the workers"):
        load({}, worker=True)
    assert load({"VOLUME_PATH": "/v"}, worker=True).volume_path == Path("/v")


def test_a_missing_volume_is_reported_with_other_problems() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"LEASE": "x"}, worker=True)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("variable", VARIABLES)
def test_any_bad_value_is_a_settings_error(variable: str) -> None:
    for value in ("\0", "x" * 10_000, "9" * 5_000, "-1", "nan", "1e999", "tcp://[", "http://[::", "é", "٣", " "):
        for problem in problems({variable: value}):
            assert problem.startswith(f"{variable}: ")


@pytest.mark.parametrize(
    ("given", "taken"),
    [("1", 1), ("8K", 8192), ("8k", 8192), ("4M", 4 * MIB), ("2G", 2 << 30), ("1T", 1 << 40), ("0", 0)],
)
def test_sizes_may_have_a_suffix(given: str, taken: int) -> None:
    assert load({"MAX_BODY": given}).max_body == taken


@pytest.mark.parametrize("given", ["4MB", "1.5G", "M", "-4M", "four"])
def test_other_sizes_are_refused(given: str) -> None:
    assert "MAX_BODY: must be" in bad(MAX_BODY=given)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("archive:8080/", "http://archive:8080/"),
        ("archive:8080", "http://archive:8080/"),
        ("https://archive", "https://archive/"),
        ("http://archive/api//", "http://archive/api/"),
        ("127.0.0.1:8080/", "http://127.0.0.1:8080/"),
    ],
)
def test_the_archives_scheme_and_slash_are_optional(given: str, taken: str) -> None:
    assert load({"ARCHIVE_INTERFACE_URL": given}).archive_url == taken


@pytest.mark.parametrize(
    "given", ["ftp://a/", "http://", "http://a:x/", "http://a/?q=1", "http://a/#f", "a:99999", "a b", "http://[::"]
)
def test_other_addresses_are_refused(given: str) -> None:
    assert "ARCHIVE_INTERFACE_URL: " in bad(ARCHIVE_INTERFACE_URL=given)


@pytest.mark.parametrize(("given", "taken"), [("1", True), ("yes", True), ("set", True), ("0", False), ("off", False)])
def test_query_logging_is_on_if_set(given: str, taken: bool) -> None:
    assert load({"DATABASE_LOGGING": given}).database_logging is taken


@pytest.mark.parametrize("life", ["604801", "0"])
def test_a_url_cannot_live_longer_than_its_signature(life: str) -> None:
    assert "BUNDLE_URL_LIFE: must be at" in bad(BUNDLE_URL_LIFE=life)


def test_a_lease_is_long_enough_for_a_heartbeat() -> None:
    assert "LEASE: must be at least 2 seconds" in bad(LEASE="1")
    assert load({"LEASE": "2.5"}).visibility == 4


def test_in_lambda_the_body_limit_fits_an_event() -> None:
    assert load({"AWS_LAMBDA_FUNCTION_NAME": "f"}).max_body == 4 * MIB
    assert load({"AWS_LAMBDA_FUNCTION_NAME": "f", "MAX_BODY": "1M"}).max_body == MIB


def test_secrets_are_never_shown() -> None:
    assert "hush" not in repr(load({"MYSQL_PASSWORD": "hush", "MYSQL_USER": "shown"}))
    assert "hush" not in bad(MYSQL_PASSWORD="hush", LEASE="x")
    assert "hush" not in bad(ARCHIVE_INTERFACE_URL="http://someone:hush@archive/?q")


def test_an_error_shows_the_bad_value() -> None:
    assert "LOG_LEVEL: must be DEBUG, INFO, WARNING or ERROR (it is 'loud')" in bad(LOG_LEVEL="loud")


@given(st.dictionaries(st.sampled_from(VARIABLES), st.text(max_size=30)))
def test_any_environment_is_settings_or_a_settings_error(environ: dict[str, str]) -> None:
    found = problems(environ)
    assert len({problem.partition(":")[0] for problem in found}) == len(found)
