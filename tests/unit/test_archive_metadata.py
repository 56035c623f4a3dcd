"""What the archive says of a file: times and media of any kind are taken, and only the size must be right."""

from __future__ import annotations

import pytest

from tests.unit.scripted_archive import scripted_archive, status_of, status_with
from workers.archive.file_status import FileStatus
from workers.archive.mtime import EARLIEST, LATEST, parse_mtime

SECOND = 10**9


@pytest.mark.parametrize(
    ("mtime", "nanoseconds"),
    [
        ("1500000000.25", 1_500_000_000_250_000_000),
        ("1795475544.6645658", 1_795_475_544_664_565_800),
        ("1500000000", 1_500_000_000 * SECOND),
        ("+1500000000.", 1_500_000_000 * SECOND),
        ("0.0", 0),
        ("-0.0", 0),
        (".5", SECOND // 2),
        ("1e-05", 10_000),
        ("1e-999999999", 0),
        ("-1.0", -SECOND),
        ("-86400.0", -86_400 * SECOND),
        ("-0.5", -SECOND // 2),
        ("-1.25", -1_250_000_000),
        ("-1e-09", -1),
        ("4102444800.0", 4_102_444_800 * SECOND),
        ("9223372035.999999999", 9_223_372_035_999_999_999),
        ("Fri, 14 Jul 2017 02:40:00 GMT", 1_500_000_000 * SECOND),
        ("Fri Jul 14 02:40:00 2017", 1_500_000_000 * SECOND),
        ("Fri, 14 Jul 2017 04:40:00 +0200", 1_500_000_000 * SECOND),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777 * SECOND),
        ("Fri, 14 Jul 1917 02:40:00 GMT", -1_655_760_000 * SECOND),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800 * SECOND),
    ],
)
def test_a_time_is_parsed_to_the_nanosecond(mtime: str, nanoseconds: int) -> None:
    with scripted_archive(status_with("Last-Modified", mtime)) as (archive, _):
        assert status_of(archive) == FileStatus(11, nanoseconds, "disk")


@pytest.mark.parametrize(
    ("mtime", "nanoseconds"),
    [
        ("15032385535.0", LATEST),
        ("9223372036.854775807", LATEST),
        ("9223372036.854775808", LATEST),
        ("1e10", LATEST),
        ("253402300800", LATEST),  # the year 10000
        ("1e400", LATEST),
        ("1e999999999", LATEST),
        ("9" * 5000, LATEST),
        ("-1e10", EARLIEST),
        ("-9223372037", EARLIEST),
        ("-1e999999999", EARLIEST),
        ("Fri, 14 Jul 2517 02:40:00 GMT", LATEST),
        ("Fri, 14 Jul 12017 02:40:00 GMT", LATEST),
        ("Fri, 14 Jul 1517 02:40:00 GMT", EARLIEST),
    ],
)
def test_a_time_that_no_bigint_holds_is_the_nearest_that_one_does(mtime: str, nanoseconds: int) -> None:
    with scripted_archive(status_with("Last-Modified", mtime)) as (archive, _):
        assert status_of(archive).mtime_ns == nanoseconds
    assert -(2**63) <= nanoseconds < 2**63


@pytest.mark.parametrize(
    "mtime",
    [
        None,
        "",
        "nan",
        "-nan",
        "inf",
        "-inf",
        "Infinity",
        "yesterday",
        "-",
        ".",
        "1_000",
        "0x10",
        "1,5",
        "\u00b2",
        "1500000000.25 s",
        "Fri, 99 Jul 2017 02:40:00 GMT",
        "Fri, 14 Jul 2017 02:40:99 GMT",
        "Fri, 14 Jul 2017 25:40:00 GMT",
        "Fri, 00 Jul 2017 02:40:00 GMT",
        "Fri,,,",
        "1e" + "9" * 50,
        "1" * 60_000 + "x",
    ],
)
def test_a_time_that_is_none_is_1970_and_said_once(mtime: str | None, caplog: pytest.LogCaptureFixture) -> None:
    answer = status_with("Last-Modified", mtime)
    with scripted_archive(answer, answer) as (archive, _):
        assert status_of(archive, "1") == status_of(archive, "2") == FileStatus(11, 0, "disk")
    assert caplog.text.count("no valid Last-Modified") == 1


@pytest.mark.parametrize(
    "text", ["Fri, 14 Jul " + "9" * 5000 + " 02:40:00 GMT", "\0", "0" * 50_000, "Fri, 14 Jul 2017 02:40:00 +999999"]
)
def test_no_text_is_an_error(text: str) -> None:
    mtime_ns = parse_mtime(text)
    assert mtime_ns is None or EARLIEST <= mtime_ns <= LATEST


@pytest.mark.parametrize(
    ("media", "taken_as"),
    [("disk", "disk"), ("tape", "tape"), ("Tape", "tape"), (None, "disk"), ("", "disk"), ("floppy", "disk")],
)
def test_a_file_on_a_medium_that_is_not_tape_is_read_at_once(media: str | None, taken_as: str) -> None:
    with scripted_archive(status_with("X-Pacifica-File-Storage-Media", media)) as (archive, _):
        assert status_of(archive).media == taken_as
