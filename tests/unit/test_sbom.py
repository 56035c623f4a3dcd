"""`make sbom`: a valid CycloneDX document of exactly what runs in production."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from infra import sbom
from tests.unit.test_locks import LOCKS, pins

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    target = tmp_path_factory.mktemp("sbom") / "build" / "sbom.json"
    assert sbom.main(["--to", str(target)]) == 0
    return target.read_text()


@pytest.fixture
def document(text: str) -> dict[str, Any]:
    return dict(json.loads(text))


def test_it_is_valid_against_the_schema_that_it_names(text: str, document: dict[str, Any]) -> None:
    version = SchemaVersion.from_version(document["specVersion"])
    assert JsonStrictValidator(version).validate_str(text) is None


def test_it_lists_the_locked_packages_of_the_product(document: dict[str, Any]) -> None:
    listed = {component["name"]: component["version"] for component in document["components"]}
    assert listed == pins(sbom.LOCK)
    in_images = [pins(lock) for lock in LOCKS if lock.stem in ("api", "workers", "lambda")]
    assert listed == in_images[0] | in_images[1] | in_images[2]
    assert "pytest" not in listed
    assert document["metadata"]["component"]["name"] == "pacifica-data-cart"


def test_every_package_has_an_identifier_and_its_hashes(document: dict[str, Any]) -> None:
    for component in document["components"]:
        assert component["purl"] == f"pkg:pypi/{component['name']}@{component['version']}"
        hashes = [found for reference in component["externalReferences"] for found in reference.get("hashes", [])]
        assert {found["alg"] for found in hashes} == {"SHA-256"}
