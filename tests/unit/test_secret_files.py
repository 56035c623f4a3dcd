"""Each secret may be a file; nothing that is shown has its content or its path."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from chalicelib.config.setting_field import SECRET
from chalicelib.config.settings import Settings, load
from chalicelib.errors import SettingsError

#: A password may be anything in one line, a token is sent in a header.
CONTENT = {
    "MYSQL_PASSWORD": " p@ss wörd ",
    "ARCHIVE_TOKEN": "t0ken-+/=",
    "POLICY_TOKEN": "t0ken-+/=",
    "NOTIFY_SIGNING_KEY": f"whsk_{base64.b64encode(b'k' * 32).decode()}",
    "SMTP_URL": "smtps://cart:p@ss@mail.example.org:465",
}
assert CONTENT.keys() == set(SECRET)
LINK = {"MYSQL_ENV_MYSQL_PASSWORD": "from the link"}


def secret(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def value(settings: Settings, variable: str) -> str:
    return {
        "MYSQL_PASSWORD": settings.mysql_password,
        "ARCHIVE_TOKEN": settings.archive_token,
        "POLICY_TOKEN": settings.policy_token,
        "NOTIFY_SIGNING_KEY": settings.notify_signing_key,
        "SMTP_URL": settings.smtp_url,
    }[variable]


@pytest.mark.parametrize("variable", SECRET)
@pytest.mark.parametrize("start", ["", "\ufeff"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_is_read_from_its_file(tmp_path: Path, variable: str, start: str, end: str) -> None:
    path = secret(tmp_path / "secret", f"{start}{CONTENT[variable]}{end}".encode())
    assert value(load({f"{variable}_FILE": path}), variable) == CONTENT[variable]


@pytest.mark.parametrize("variable", SECRET)
def test_a_secret_and_its_file_contradict_each_other(tmp_path: Path, variable: str) -> None:
    path = secret(tmp_path / "secret", CONTENT[variable].encode())
    with pytest.raises(SettingsError) as raised:
        load({f"{variable}_FILE": path, variable: CONTENT[variable]})
    assert raised.value.problems == (f"{variable}_FILE: must not be set together with {variable}",)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "must not be an empty file"),
        (b"\n", "must not be an empty file"),
        (b"\xef\xbb\xbf\n", "must not be an empty file"),
        (b"hush\nhush", "must be a file of one line"),
        (b"hush\n\n", "must be a file of one line"),
        (b"hush\rhush", "must be a file of one line"),
        (b"hush\0", "must be a file of one line"),
        (b"x" * (64 << 10) + b"hush", "must be a file of one line"),
        (b"hush\xff", "must be a file of UTF-8 text"),
    ],
)
def test_a_file_of_anything_but_one_line_is_refused_unshown(tmp_path: Path, content: bytes, problem: str) -> None:
    path = secret(tmp_path / "hush", content)
    for variable in SECRET:
        with pytest.raises(SettingsError) as raised:
            load({f"{variable}_FILE": path})
        assert raised.value.problems == (f"{variable}_FILE: {problem}",)
        assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("path", "problem"),
    [("/nowhere/hush", "No such file"), ("/tmp", "Is a directory"), ("hush\0", "not a path"), ("h" * 5000, "too long")],
)
def test_a_file_that_cannot_be_read_is_named_by_its_variable_alone(path: str, problem: str) -> None:
    """Somebody who sets the variable to the secret itself must not find it in the log."""
    with pytest.raises(SettingsError) as raised:
        load({"MYSQL_PASSWORD_FILE": path})
    [shown] = raised.value.problems
    assert shown.startswith("MYSQL_PASSWORD_FILE: cannot be read: ")
    assert problem in shown
    assert path not in shown


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load({"MYSQL_PASSWORD_FILE": "", "MYSQL_PASSWORD": "a"}).mysql_password == "a"


def test_a_file_goes_before_a_container_link(tmp_path: Path) -> None:
    assert load(LINK).mysql_password == "from the link"
    path = secret(tmp_path / "secret", b"from the file")
    assert load({**LINK, "MYSQL_PASSWORD_FILE": path}).mysql_password == "from the file"


def test_settings_show_no_secret(tmp_path: Path) -> None:
    paths = {f"{name}_FILE": secret(tmp_path / name, text.encode()) for name, text in CONTENT.items()}
    addresses = {
        "ARCHIVE_INTERFACE_URL": "http://ada:hush@archive:8080/",
        "POLICY_URL": "https://hush@policy/",
        "AWS_ENDPOINT_URL_S3": "http://a:hush@store",
    }
    settings = load({**paths, **addresses, "MYSQL_USER": "shown"})
    assert settings.archive_url == "http://ada:hush@archive:8080/"
    for text in (repr(settings), str(settings), f"{settings}"):
        assert not [name for name, content in CONTENT.items() if content in text]
        assert "hush" not in text
        assert "mysql_user='shown'" in text
        assert "http://***@archive:8080/" in text
