"""The lines at the end of a test run that say what was skipped, and which programs tests need."""

from __future__ import annotations

import pytest

from tests import skips
from tests.programs import need


def test_every_reason_is_one_line_with_its_count() -> None:
    infra = [("tests/infra/test_plan.py", line, "Skipped: takes minutes: make test-infra") for line in range(28)]
    curl = [("tests/e2e/test_cart.py", 5, "Skipped: not installed: curl")]
    assert skips.lines([*curl, *infra]) == [
        "28 skipped: takes minutes: make test-infra",
        "1 skipped: not installed: curl",
    ]


def test_a_missing_program_skips_a_test_and_fails_it_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    need("sh")
    with pytest.raises(pytest.skip.Exception, match="not installed: no-such-program, nor-this"):
        need("sh", "no-such-program", "nor-this")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="not installed: no-such-program"):
        need("no-such-program")
