"""One running system that most tests share, and new systems for tests that need their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.local_system import LocalSystem

Make = Callable[..., LocalSystem]


@pytest.fixture(scope="session")
def shared_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    system = LocalSystem(tmp_path_factory.mktemp("system") / "home")
    yield system
    system.stop()


@pytest.fixture
def system(shared_system: LocalSystem) -> LocalSystem:
    """The shared system, running even if an earlier test failed between a stop and a start."""
    return shared_system if shared_system.is_running else shared_system.start()


@pytest.fixture
def new_system(tmp_path: Path) -> Iterator[Make]:
    """Makes systems that are not started yet; stops them at the end of the test."""
    systems: list[LocalSystem] = []

    def make(**environ: str) -> LocalSystem:
        systems.append(LocalSystem(tmp_path / "home", **environ))
        return systems[-1]

    yield make
    for system in systems:
        system.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run these tests last, so that quick failures come first."""
    here = os.path.dirname(__file__)
    items.sort(key=lambda item: str(item.path).startswith(here))
