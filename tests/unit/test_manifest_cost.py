"""What reading a hostile manifest costs, measured in a fresh process for each."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.hostile_manifests import NAMES, UNPACKED

MIB = 1 << 20
MAX_BODY = 64 * MIB
#: These are read to their end, so the time grows with the body: a smaller one shows the same.
READ_ON = (
    "tiny entries",
    "tiny lines",
    "deep unique paths",
    "capitals and accents",
    "names for no Windows",
    "padded entries",
    "keys of an entry again and again",
    "many ignored lists",
    "strings with brackets",
)


@pytest.mark.parametrize("name", NAMES)
def test_no_body_costs_more_than_four_times_its_limit(name: str) -> None:
    command = [sys.executable, "-m", "tests.hostile_manifests", name, str(size_of(name))]
    outcome, growth, _ = json.loads(subprocess.check_output(command, text=True))
    assert "Error" not in outcome
    assert growth < UNPACKED * MAX_BODY


def size_of(name: str) -> int:
    if name.removeprefix("gzip of ") in READ_ON:
        return MIB
    return MAX_BODY // UNPACKED if name.startswith("gzip of ") else MAX_BODY


def test_the_paths_of_a_full_cart_cost_less_than_twice_the_largest_body() -> None:
    """The other half is for the body itself and for its entries, compressed."""
    command = [sys.executable, "-m", "tests.hostile_manifests", "paths", str(1_000_000)]
    assert int(subprocess.check_output(command, text=True)) < 2 * MAX_BODY
