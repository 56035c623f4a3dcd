"""Which package may import which, and that importing does nothing: no I/O, no look at the environment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit import house
from tests.unit.house import LAYERS, ROOT, imported, modules, package_of

#: Top-level packages that a top-level package must not import.
FORBIDDEN = {
    "chalicelib": {"app", "asgi", "wsgi", "workers", "infra", "bench", "tests"},
    "workers": {"app", "asgi", "wsgi", "infra", "bench", "tests"},
    "app": {"asgi", "wsgi", "workers", "infra", "bench", "tests"},
    "wsgi": {"asgi", "workers", "infra", "bench", "tests"},
    "asgi": {"wsgi", "workers", "infra", "bench", "tests"},
    "infra": {"app", "asgi", "wsgi", "bench", "tests"},
}
TOPS = ("chalicelib", "workers", "infra")
ROW = {package: number for number, row in enumerate(LAYERS) for package in row}


@pytest.mark.parametrize("name", sorted(modules(*TOPS)))
def test_no_top_level_package_imports_one_that_it_must_not_know(name: str) -> None:
    tops = {other.partition(".")[0] for other in imported(modules(*TOPS)[name])}
    assert tops & FORBIDDEN[name.partition(".")[0]] == set()


@pytest.mark.parametrize("package", sorted({package_of(name) for name in modules("chalicelib", "workers")} - set(TOPS)))
def test_a_package_imports_only_from_layers_above_it(package: str) -> None:
    assert package in ROW, f"{package} has no layer yet: add it to LAYERS, below all that it imports"
    wrong = {other for one, other in house.edges() if one == package and ROW[other] >= ROW[package]}
    assert wrong == set()


def test_the_layers_name_only_packages_that_exist() -> None:
    assert set(ROW) <= {package_of(name) for name in modules("chalicelib", "workers")}


@pytest.mark.parametrize(
    "package", sorted({str(path.parent) for top in TOPS[:2] for path in Path(top).rglob("__init__.py")})
)
def test_a_package_holds_a_charter_and_nothing_else_in_its_init(package: str) -> None:
    text = (ROOT / package / "__init__.py").read_text()
    assert text.startswith('"""'), f"{package} has no charter"
    assert text.rstrip().endswith('"""'), f"{package}/__init__.py holds more than a charter"


@pytest.mark.parametrize("package", sorted({package_of(name) for name in modules("chalicelib", "workers")}))
def test_no_two_modules_of_a_package_differ_by_a_letter(package: str) -> None:
    names = sorted(name.rpartition(".")[2] for name in modules("chalicelib", "workers") if package_of(name) == package)
    alike = [(one, other) for one in names for other in names if one < other and _differ_by_a_letter(one, other)]
    assert alike == []


def test_the_picture_of_the_house_is_drawn_from_the_imports() -> None:
    text = house.PAGE.read_text()
    assert house.written(text) == text, "run `make picture`"


def test_importing_does_no_io_and_reads_no_environment() -> None:
    names = sorted(modules(*TOPS))
    guard = [sys.executable, "-m", "tests.unit.import_guard", *names]
    done = subprocess.run(guard, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {}


def test_the_guard_notices_a_look_at_the_environment(tmp_path: Path) -> None:
    (tmp_path / "nosy.py").write_text("import os\nHOME = os.environ.get('HOME')\nTEXT = open(__file__ + 'x', 'w')\n")
    environ = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    guard = [sys.executable, "-m", "tests.unit.import_guard", "nosy"]
    done = subprocess.run(guard, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    assert "read HOME of the environment" in " ".join(json.loads(done.stdout)["nosy"])


def _differ_by_a_letter(one: str, other: str) -> bool:
    """By one letter more, or another one in its place."""
    if len(one) == len(other):
        return sum(a != b for a, b in zip(one, other, strict=True)) == 1
    short, long = sorted((one, other), key=len)
    return len(long) == len(short) + 1 and any(long[:i] + long[i + 1 :] == short for i in range(len(long)))
