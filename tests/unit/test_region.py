"""A process without a region names the variable, instead of failing at its first request to the queue."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chalicelib.config.settings import load
from chalicelib.errors import SettingsError
from chalicelib.wiring import build


@pytest.fixture(autouse=True)
def no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)


def test_a_missing_region_is_named() -> None:
    with pytest.raises(SettingsError, match="AWS_DEFAULT_REGION: is not set"):
        build(load({}))


def test_a_region_from_the_configuration_file_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\nregion = eu-central-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert build(load({})).settings == load({})
