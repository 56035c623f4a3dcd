"""SECURITY.md names only tests and settings that exist."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from chalicelib.config.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text()
ROWS = [row for row in re.findall(r"^\|(.+)\|$", TEXT, re.M) if not row.startswith(("---", " Attack "))]
SETTINGS = {field.metadata["env"] for field in dataclasses.fields(Settings)}


@pytest.mark.parametrize("reference", sorted(set(re.findall(r"tests/[\w/]+\.py(?:::test_\w+)?", TEXT))))
def test_a_named_test_exists(reference: str) -> None:
    file, _, test = reference.partition("::")
    assert (ROOT / file).exists()
    assert not test or f"def {test}(" in (ROOT / file).read_text()


def test_every_attack_names_what_stops_it_and_a_test() -> None:
    assert len(ROWS) > 30
    for row in ROWS:
        attack, defence, shown = row.split(" | ")
        assert attack.strip()
        assert defence.strip()
        assert "`tests/" in shown, attack


def test_the_settings_that_are_named_exist() -> None:
    named = set(re.findall(r"`([A-Z]{2,}(?:_[A-Z]+)*)(?:=\w+)?`", TEXT))
    assert named - SETTINGS == set()
    assert {"AUTH", "ALLOWED_HOSTS", "ALLOWED_ORIGINS", "SHARE_LINKS"} <= named


def test_a_report_goes_no_public_way() -> None:
    assert "security advisories" in TEXT
    assert "@" not in TEXT, "an address that nobody reads"
