"""The file of groups: its format, what is said of a bad one, and that a change is seen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chalicelib.config.settings import load
from chalicelib.errors import PolicyUnavailable, SettingsError
from chalicelib.policy.configured import policy_of
from chalicelib.policy.group_file import GroupFile, parsed
from chalicelib.policy.policy import Reader

HEADER = "group,kind,value\n"
GOOD = HEADER + 'beam,member,ann\nbeam,file,1234\nbeam,file,proposal-7/*\n*,file,public/*\nwords,file,"a,b"\n'


def refused(text: str, reader: Reader, *names: str) -> set[str]:
    return set(names) - parsed(text).allowed(reader, names)


def test_members_of_a_group_have_its_files_and_all_have_those_of_everybody() -> None:
    names = ("1234", "12345", "proposal-7/x", "proposal-70", "public/x")
    assert refused(GOOD, Reader("ann"), *names) == {"12345", "proposal-70"}
    assert refused(GOOD, Reader("bob"), *names) == {"1234", "12345", "proposal-7/x", "proposal-70"}
    assert refused(GOOD, Reader(""), *names) == refused(GOOD, Reader("bob"), *names)


def test_a_group_of_the_login_counts_as_one_of_the_file() -> None:
    assert refused(GOOD, Reader("bob", ("beam",)), "1234", "12345") == {"12345"}
    assert refused(GOOD, Reader("bob", ("words",)), "a,b", "a") == {"a"}


def test_a_star_alone_is_every_file() -> None:
    assert refused(HEADER + "root,file,*\n", Reader("x", ("root",)), "1", "2") == set()


def test_an_empty_list_allows_nothing() -> None:
    assert refused(HEADER, Reader("ann", ("beam",)), "1") == {"1"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1"),
        ("group,kind\n", "line 1"),
        ("beam,member,ann\n", "line 1"),
        (HEADER + "beam,member\n", "line 2"),
        (HEADER + "beam,member,ann,x\n", "line 2"),
        (HEADER + "beam,owner,ann\n", "line 2: kind"),
        (HEADER + "\nbeam,Member,ann\n", "line 3: kind"),
        (HEADER + ",file,1\n", "line 2"),
        (HEADER + "beam,file,\n", "line 2"),
        (HEADER + 'beam,file,"1\n', "line"),
        (HEADER + 'beam,file,"1"2\n', "line 2"),
    ],
)
def test_a_bad_line_is_named(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    path.write_text(text)
    with pytest.raises(SettingsError, match="POLICY_FILE") as caught:
        GroupFile(str(path))
    assert problem in str(caught.value)


def test_a_file_that_is_missing_or_not_text_is_a_bad_setting(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(HEADER.encode() + b"\xff")
    for name in ("missing", "binary", ""):
        with pytest.raises(SettingsError, match="POLICY_FILE"):
            policy_of(load({"POLICY_FILE": str(tmp_path / name)}))


def test_a_changed_file_is_read_again_and_one_that_became_bad_allows_nothing(tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"

    def write(text: str) -> None:
        (tmp_path / "new").write_text(text)
        os.replace(tmp_path / "new", path)

    write(GOOD)
    policy = GroupFile(str(path))
    assert policy.refused(Reader("ann"), ["1234"]) == set()
    write(HEADER + "beam,file,1234\n")
    assert policy.refused(Reader("ann"), ["1234"]) == {"1234"}
    write(GOOD + "x\n")
    for _ in range(2):
        with pytest.raises(PolicyUnavailable):
            policy.refused(Reader("ann"), ["1234"])
    path.unlink()
    with pytest.raises(PolicyUnavailable):
        policy.refused(Reader("ann"), ["1234"])
    write("\ufeff" + GOOD.replace("\n", "\r\n"))  # as a spreadsheet saves it
    assert policy.refused(Reader("ann"), ["1234"]) == set()


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"POLICY_URL": "http://h/", "POLICY_FILE": "/f"}, "POLICY_FILE"),
        ({"POLICY_TOKEN": "a\nb"}, "POLICY_TOKEN"),
        ({"ARCHIVE_TOKEN": "a b"}, "ARCHIVE_TOKEN"),
        ({"ARCHIVE_TOKEN": "ä"}, "ARCHIVE_TOKEN"),
        ({"ARCHIVE_FORWARD_USER": "Authorization"}, "ARCHIVE_FORWARD_USER"),
        ({"ARCHIVE_FORWARD_USER": "content-length"}, "ARCHIVE_FORWARD_USER"),
        ({"ARCHIVE_FORWARD_USER": "X User"}, "ARCHIVE_FORWARD_USER"),
        ({"ARCHIVE_CLIENT_KEY": "/key.pem"}, "ARCHIVE_CLIENT_KEY"),
    ],
)
def test_settings_that_make_no_sense_are_named_without_the_secret(variables: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(variables)
    assert caught.value.problems[0].startswith(named)
    assert not any("TOKEN" in name and value in str(caught.value) for name, value in variables.items())


def test_the_address_of_the_service_is_used_as_it_is_written() -> None:
    assert load({"POLICY_URL": "https://h/ask"}).policy_url == "https://h/ask"
    assert load({"POLICY_URL": "https://h/ask/"}).policy_url == "https://h/ask/"
    assert load({"POLICY_TOKEN": "secret\n"}).policy_token == "secret"
