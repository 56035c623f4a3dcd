"""The running system of docker-compose.yml: a cart with curl, dbsync with exec, health checks, image contents."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import time
import uuid
from pathlib import Path

import pytest

from infra.local.archive import SAMPLES
from tests.compose.engine import ROOT
from tests.compose.system import System
from tests.e2e.cart_client import SEED

#: Services with a health check, in their image or in docker-compose.yml.
CHECKED = {"cartmysql", "cartqueue", "cartstore", "archiveinterface", "cartserver", "cartworkers", "cartsweeper"}
BUILT = {"cartqueue", "cartstore", "cartsetup", "archiveinterface", "cartserver", "cartworkers", "cartsweeper"}
PIN = re.compile(r"^[\w.-]+==[^\s;]+", re.MULTILINE)
DEVELOPMENT_TOOLS = {"pytest", "mypy", "ruff", "hypothesis", "schemathesis"}


@pytest.mark.parametrize("command", [["docker-compose"], ["docker", "compose"]], ids=" ".join)
def test_docker_accepts_the_file(command: list[str]) -> None:
    installed = shutil.which(command[0]) and subprocess.run([*command, "version"], capture_output=True).returncode == 0
    if not installed:
        pytest.skip(f"{' '.join(command)} is not installed")
    done = subprocess.run([*command, "config"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "container_name: cartserver" in done.stdout


def test_a_cart_with_the_curl_commands_of_the_readme(system: System, tmp_path: Path) -> None:
    cart, sums = f"{system.url}{uuid.uuid4()}", {e["path"]: SAMPLES[e["id"]].encode() for e in SEED}
    (tmp_path / "foo.json").write_text(json.dumps({"fileids": list(SEED)}))

    posted = curl(tmp_path, "-X", "POST", "--upload-file", "foo.json", cart)
    assert json.loads(posted)["message"] == "Cart Processing has begun"
    assert header(wait(tmp_path, cart), "X-Pacifica-Message") == ""

    redirect = curl(tmp_path, f"{cart}?filename=my_cart.tar")
    assert f"http://127.0.0.1:{system.engine.environ['STORE_PORT']}/" in redirect, "must be reachable by the client"
    curl(tmp_path, "-fL", "-C", "-", "-o", "my_cart.tar", cart)
    listed = subprocess.run(["tar", "tf", "my_cart.tar"], cwd=tmp_path, capture_output=True, text=True, check=True)
    root = cart.rpartition("/")[2]
    assert [name for name in listed.stdout.split() if name[-1] != "/"] == [f"{root}/{path}" for path in sums]
    with tarfile.open(tmp_path / "my_cart.tar") as bundle:
        bundle.extractall(tmp_path, filter="data")
    for path, content in sums.items():
        assert sha256((tmp_path / root / path).read_bytes()) == sha256(content)

    assert json.loads(curl(tmp_path, "-X", "DELETE", cart)) == {"message": "Cart Deleted Successfully"}
    assert curl(tmp_path, "-o", "/dev/null", "-w", "%{http_code}", cart) == "404"


def test_dbsync_inside_the_server(system: System) -> None:
    output = system.engine.podman("exec", "cartserver", "/bin/bash", "-c", "pacifica-cartd-cmd dbsync")
    assert output.startswith("applied 0 migrations")


def test_every_health_check_passes(system: System) -> None:
    for service in sorted(CHECKED):
        (name,) = system.engine.containers(service)
        system.engine.podman("healthcheck", "run", name)


def test_no_built_image_runs_as_root_or_with_a_writable_root_file_system(system: System) -> None:
    for service in sorted(BUILT):
        (name,) = system.engine.containers(service)
        (container,) = json.loads(system.engine.podman("inspect", name))
        assert container["HostConfig"]["ReadonlyRootfs"], service
        assert int(system.engine.podman("exec", name, "id", "-u")) > 10000, service
        assert container["Config"]["Labels"]["org.opencontainers.image.title"].startswith("Pacifica"), service
        assert container["EffectiveCaps"] in (None, []), service


@pytest.mark.parametrize("service", ["cartserver", "cartworkers", "cartqueue"])
def test_an_image_contains_the_locked_versions_and_no_development_tools(system: System, service: str) -> None:
    locked = {normal(pin) for lock in (ROOT / "locks").glob("*.lock") for pin in PIN.findall(lock.read_text())}
    (name,) = system.engine.containers(service)
    installed = {normal(pin) for pin in system.engine.podman("exec", name, "python3", "-m", "pip", "freeze").split()}
    assert len(installed) > 10
    assert installed <= locked
    assert not DEVELOPMENT_TOOLS & {line.partition("==")[0] for line in installed}


def normal(pin: str) -> str:
    return re.sub(r"[-_.]+", "-", pin.partition("==")[0]).lower() + "==" + pin.partition("==")[2]


def wait(folder: Path, cart: str, timeout: float = 60.0) -> str:
    """Poll with HEAD until the cart is ready; returns the last response's headers."""
    deadline = time.monotonic() + timeout
    while (state := header(answer := curl(folder, "-I", "-X", "HEAD", cart), "X-Pacifica-Status")) != "ready":
        assert state in ("waiting", "staging", "bundling"), answer
        assert time.monotonic() < deadline, answer
        time.sleep(0.3)
    return answer


def header(answer: str, name: str) -> str:
    """The only value of a header; servers write names in any case."""
    lines = [line.partition(":") for line in answer.splitlines()]
    (value,) = [value.strip() for found, _, value in lines if found.lower() == name.lower()]
    return value


def curl(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["curl", "-sS", *arguments], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
