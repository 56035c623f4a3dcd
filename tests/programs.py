"""Programs that some tests need: without one, a test is skipped, or fails in CI, where all must run."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def need(*programs: str) -> None:
    """Skip the test, or fail it in CI, unless all programs are on the PATH."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        skip_or_fail(f"not installed: {', '.join(missing)}")


def skip_or_fail(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
