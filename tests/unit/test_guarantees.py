"""docs/guarantees.md names only tests and faults that exist, and names every fault."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.chaos import steps
from tests.chaos.rounds import fault_factories

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "guarantees.md").read_text()
FAULTS = {name.partition(":")[0] for name in fault_factories(mounted=True)} - {"DeathAtStep"}


@pytest.mark.parametrize("reference", sorted(set(re.findall(r"[\w/]*test_\w+\.py::test_\w+", TEXT))))
def test_a_named_test_exists(reference: str) -> None:
    file, _, test = reference.partition("::")
    paths = list(ROOT.glob(f"tests/**/{Path(file).name}"))
    assert any(f"def {test}(" in path.read_text() for path in paths)


@pytest.mark.parametrize("file", sorted(set(re.findall(r"tests/[\w/]+\.py", TEXT))))
def test_a_named_file_exists(file: str) -> None:
    assert (ROOT / file).exists()


def test_every_fault_is_named_and_no_other() -> None:
    named = set(re.findall(r"`([A-Z][a-zA-Z]+)`", TEXT))
    assert FAULTS - named == set()
    assert named - FAULTS == set()


def test_the_number_of_steps_is_right() -> None:
    assert f"{len(steps.WORKER)} named steps" in TEXT


def test_the_steps_at_which_processes_die_exist() -> None:
    for name, (owner, method, _) in {**steps.WORKER, **steps.API}.items():
        assert callable(getattr(owner, method, None)), f"{name}: {owner.__name__}.{method}"
