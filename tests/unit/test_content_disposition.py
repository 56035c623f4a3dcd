"""The Content-Disposition of a download: one safe line for any requested name."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.aws.content_disposition import attachment

NOW = datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)
VALUE = re.compile(
    r'attachment; filename="(?P<plain>[^"\\]+)"'
    r"(; filename\*=UTF-8''(?P<full>([A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-F]{2})+))?"
)


def names(value: str) -> tuple[str, str | None]:
    """The names as a client parses them: `filename`, and `filename*` if present."""
    match = VALUE.fullmatch(value)
    assert match, value
    return match["plain"], match["full"] and unquote(match["full"], errors="strict")


@pytest.mark.parametrize(
    ("requested", "plain", "full"),
    [
        ("my_cart.tar", "my_cart.tar", None),
        ("two words; and more.tar", "two words; and more.tar", None),
        ("Größe über Ångström.tar", "Gro_e uber Angstrom.tar", "Größe über Ångström.tar"),
        ("数据.tar", "__.tar", "数据.tar"),
        ("rocket 🚀.tar", "rocket _.tar", "rocket 🚀.tar"),
        ("100%41.tar", "100_41.tar", "100%41.tar"),
        ('say "hi".tar', "say _hi_.tar", None),
        ("a\\b.tar", "a_b.tar", None),
        ("../../etc/passwd", "___.._etc_passwd", None),
        ("/etc/cron.d/x", "_etc_cron.d_x", None),
        (".bashrc", "_bashrc", None),
        ("..", "__", None),
        ("a\r\nSet-Cookie: b=c", "a__Set-Cookie: b=c", None),
        ("nul\0.tar", "nul_.tar", None),
        ("\ud800.tar", "_.tar", None),
        ("x\u202egpj.tar", "x_gpj.tar", None),
        ("\uff0f\uff0e\uff0e\uff0f\uff02.tar", "_..__.tar", "\uff0f\uff0e\uff0e\uff0f\uff02.tar"),
        ("\uff0e\uff0ehidden", "__hidden", "\uff0e\uff0ehidden"),
        ("\u0301", "_", "\u0301"),
        ("  padded.tar ", "padded.tar", None),
    ],
)
def test_the_requested_name_is_kept_as_far_as_it_is_safe(requested: str, plain: str, full: str | None) -> None:
    assert names(attachment(requested, NOW)) == (plain, full)


@pytest.mark.parametrize("requested", [None, "", "   "])
def test_without_a_name_the_bundle_is_named_after_the_time(requested: str | None) -> None:
    assert attachment(requested, NOW) == 'attachment; filename="data_2024_02_03_04_05_06.tar"'


def test_the_time_is_in_utc() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=-8)))
    assert attachment(None, there) == attachment(None, NOW)
    assert attachment(None, NOW.replace(tzinfo=None)) == attachment(None, NOW)


def test_a_long_name_is_shortened_before_its_suffix() -> None:
    plain, full = names(attachment("x" * 300 + ".tar", NOW))
    assert plain == "x" * 251 + ".tar"
    assert full is None


def test_a_long_name_is_never_cut_inside_a_character() -> None:
    _, full = names(attachment("é" * 300 + ".tar", NOW))
    assert full == "é" * 125 + ".tar"


def test_a_very_long_suffix_is_shortened_too() -> None:
    plain, _ = names(attachment("a." + "b" * 300, NOW))
    assert plain == "a." + "b" * 253


@given(st.text() | st.text(alphabet=st.characters(exclude_categories=())) | st.none())
@example("\ufdfa" * 100)  # each becomes 18 characters when decomposed
@example("." * 300)
@example("." + "a" * 300)
def test_any_name_gives_one_printable_line_with_safe_names(requested: str | None) -> None:
    value = attachment(requested, NOW)
    assert value.isascii()
    assert value.isprintable()
    for name in names(value):
        if name is not None:
            assert 1 <= len(name.encode()) <= 255
            assert not name.startswith(".")
            assert not set(name) & set('/\\"\r\n\0')
            assert not any("\ud800" <= character <= "\udfff" for character in name)
