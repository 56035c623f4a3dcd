"""The images docker-compose.yml and the Dockerfiles start from, or stand-ins where no image registry is reached.

An image that is in the tests' storage already is used as it is; with COMPOSE_TEST_PULL=1 what is missing is pulled.
Otherwise Debian's own packages, by debootstrap, make an image of the same name that has the same programs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml

from tests.compose.engine import ROOT, Engine

DOCKERFILES = ("Dockerfile.wsgi", "workers/Dockerfile", "infra/compose/Dockerfile.archive")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PACKAGES = "python3,python3-pip,ca-certificates"
#: What a slim image has not either, and what keeps Debian's pip from installing.
LEFT_OUT = ("var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/lib/python3.11/EXTERNALLY-MANAGED")


def provide(engine: Engine) -> None:
    """Every base image, under the name it is asked for by."""
    python, mariadb = names()
    for name in (python, mariadb):
        if os.environ.get("COMPOSE_TEST_PULL") and not engine.has_image(name):
            engine.podman("pull", name, within=900)
    if not engine.has_image(python):
        _debian(engine, python)
    if not engine.has_image(mariadb) or engine.is_stand_in(mariadb):
        engine.build(ROOT / "tests" / "compose" / "mariadb", mariadb)


def names() -> tuple[str, str]:
    """The Python image and the database's, in full."""
    text = (ROOT / DOCKERFILES[0]).read_text()
    (python,) = re.findall(r"^FROM (\S+)$", text, re.MULTILINE)
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    database = compose["services"]["cartmysql"]["image"]
    return f"docker.io/library/{python}", f"docker.io/library/{database}"


def _debian(engine: Engine, name: str) -> None:
    if shutil.which("debootstrap") is None:
        pytest.skip(f"no {name} in the tests' storage, and no debootstrap to make it: apt-get install debootstrap")
    suite = name.rpartition("-")[2]
    with tempfile.TemporaryDirectory(dir=engine.home) as folder:
        root = Path(folder) / "root"
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(root)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout[-2000:]
        for path in LEFT_OUT:
            subprocess.run(["rm", "-rf", str(root / path)], check=True)
        (root / "usr/bin/python").symlink_to("python3")
        archive = f"{folder}/root.tar"
        subprocess.run(["tar", "-C", str(root), "-cf", archive, "."], check=True, timeout=300)
        engine.podman("import", "--change", f"ENV {PATH}", archive, name, within=300)
