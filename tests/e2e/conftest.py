"""One running system for the tests that only use it, and new ones for those that break it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.local_system import LocalSystem

Make = Callable[..., LocalSystem]


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    made = LocalSystem(tmp_path_factory.mktemp("system") / "home")
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.fixture
def new_system(tmp_path: Path) -> Iterator[Make]:
    """Makes a system that is not yet started; stopped at the end if it runs."""
    made: list[LocalSystem] = []

    def make(**environ: str) -> LocalSystem:
        made.append(LocalSystem(tmp_path / "home", **environ))
        return made[-1]

    yield make
    for system in made:
        system.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Last of all: what is quick to fail comes first."""
    here = os.path.dirname(__file__)
    items.sort(key=lambda item: str(item.path).startswith(here))
