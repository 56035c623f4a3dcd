"""The operator's commands stay apart: no process of the service loads them, or the packages that they alone need."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.unit.house import ROOT, imported, modules, package_of

ADMIN = "chalicelib.admin"
PACKAGES = {"click", "rich"}
OTHERS = sorted(name for name in modules("chalicelib", "workers") if package_of(name) != ADMIN)


@pytest.mark.parametrize("name", OTHERS)
def test_no_module_beside_the_commands_imports_them_or_their_packages(name: str) -> None:
    names = set(imported(modules("chalicelib", "workers")[name]))
    assert not {other for other in names if other.startswith(ADMIN) or other.partition(".")[0] in PACKAGES}


@pytest.mark.parametrize("process", ["app", "asgi", "wsgi", "chalicelib.sweeper", "workers.__main__"])
def test_no_process_of_the_service_loads_them(process: str) -> None:
    code = f"import json, sys, {process}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert process in loaded
    assert [name for name in loaded if name.startswith(ADMIN) or name in PACKAGES] == []


def test_the_image_of_every_service_with_the_command_has_its_packages() -> None:
    for name, lock in (("Dockerfile.wsgi", "api"), ("workers/Dockerfile", "workers")):
        image = (ROOT / name).read_text()
        assert "from chalicelib.admin.command import main" in image
        assert f"locks/{lock}.lock" in image
        locked = {line.partition("==")[0] for line in (ROOT / f"locks/{lock}.lock").read_text().splitlines()}
        assert locked >= PACKAGES
