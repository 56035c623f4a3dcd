"""Provides the base images of the compose files and the Dockerfiles, or stand-ins if no image registry is reachable.

An image in the tests' storage is used as it is. With COMPOSE_TEST_PULL=1 a missing one is pulled; otherwise debootstrap
builds an image with the same name and the same programs from Debian packages.
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
#: Removed from a built image: what a slim image lacks too, and the marker that keeps Debian's pip from installing.
REMOVED = ("var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/lib/python3.11/EXTERNALLY-MANAGED")


def provide(engine: Engine) -> None:
    """Make every base image available under its full name."""
    python, mariadb = names()
    caddy = _caddy()
    for name in (python, mariadb, caddy):
        if os.environ.get("COMPOSE_TEST_PULL") and not engine.has_image(name):
            engine.podman("pull", name, timeout=900)
    if not engine.has_image(python):
        _debian(engine, python)
    if not engine.has_image(mariadb) or engine.is_stand_in(mariadb):
        engine.build(ROOT / "tests" / "compose" / "mariadb", mariadb)
    if not engine.has_image(caddy) or engine.is_stand_in(caddy):
        engine.build(ROOT / "tests" / "compose" / "caddy", caddy)


def names() -> tuple[str, str]:
    """The full names of the Python image and the database image."""
    text = (ROOT / DOCKERFILES[0]).read_text()
    (python,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", text, re.MULTILINE)
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    database = compose["services"]["cartmysql"]["image"].removeprefix("${MARIADB_IMAGE:-").removesuffix("}")
    return f"docker.io/library/{python}", f"docker.io/library/{database}"


def _caddy() -> str:
    text = (ROOT / "infra" / "compose" / "Dockerfile.proxy").read_text()
    (name,) = re.findall(r"^ARG CADDY_IMAGE=(\S+)$", text, re.MULTILINE)
    return f"docker.io/library/{name}"


def _debian(engine: Engine, name: str) -> None:
    if shutil.which("debootstrap") is None:
        pytest.skip(f"{name} is not in the tests' storage; to build it: apt-get install debootstrap")
    suite = name.rpartition("-")[2]
    with tempfile.TemporaryDirectory(dir=engine.home) as folder:
        root = Path(folder) / "root"
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(root)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout[-2000:]
        for path in REMOVED:
            subprocess.run(["rm", "-rf", str(root / path)], check=True)
        (root / "usr/bin/python").symlink_to("python3")
        archive = f"{folder}/root.tar"
        subprocess.run(["tar", "-C", str(root), "-cf", archive, "."], check=True, timeout=300)
        engine.podman("import", "--change", f"ENV {PATH}", archive, name, timeout=300)
