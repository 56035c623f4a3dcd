"""Fixtures for planning and applying infra/: the Lambda zip, a copy of infra/, and moto."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import package
from tests.infra import terraform
from tests.infra.terraform import Terraform
from tests.integration.test_credentials import Authority


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    with terraform.moto() as running:
        yield running


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority("rehearsal")


@pytest.fixture(scope="session")
def zipped(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Lambda zip, built as an operator builds it."""
    folder = tmp_path_factory.mktemp("zip")
    (folder / "ca.pem").write_text(authority.pem)
    assert package.main(["--ca", str(folder / "ca.pem"), "--to", str(folder)]) == 0
    (path,) = folder.glob("cart-python3.*.zip")
    return path


@pytest.fixture(scope="session")
def folder(zipped: Path, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the module and its examples."""
    return terraform.copy_infra(tmp_path_factory.mktemp("tree"), zipped, authority.pem)


@pytest.fixture(scope="session")
def plans(folder: Path, endpoint: str) -> dict[str, Any]:
    """The plan of each example, and of the small one with another route to its archive."""
    plans = {}
    for name, (example, override) in terraform.PLANNED.items():
        root = folder / "examples" / name
        if example != name:
            shutil.copytree(folder / "examples" / example, root, ignore=shutil.ignore_patterns(".terraform*"))
        (root / "variant_override.tf").write_text(override)
        run = Terraform(root, endpoint)
        run.init()
        (root / "terraform.tfvars").write_text('image_tag = "v1"\n')
        plans[name] = run.plan()
    return plans
