"""Runs Terraform or OpenTofu with a local mirror of the AWS provider against a moto server."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.infra.hcl import INFRA

REGISTRIES = {"terraform": "registry.terraform.io", "tofu": "registry.opentofu.org"}
#: Terraform's own mirror folders, and common folders of add-on software.
MIRRORS = ("~/.terraform.d/plugins", "~/.local/share/terraform/plugins", "/usr/local/share/terraform/plugins")
MORE_MIRRORS = ("/usr/share/terraform/plugins", "/opt/*")
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
#: Plan -> the example it is made from, and a Terraform override file.
PLANNED = {
    "small": ("small", ""),
    "large": ("large", ""),
    "vpn": ("small", 'module "cart" {\n  archive_route  = "vpn"\n  vpn_gateway_id = "vgw-0123456789abcdef0"\n}\n'),
    "iam": (
        "small",
        'module "cart" {\n  auth           = "iam"\n  share_links    = true\n  download_cidrs = ["192.0.2.0/24"]\n}\n',
    ),
}
SERVE = "import sys; from moto.server import main; main(sys.argv[1:])"


def find_tools() -> tuple[str, Path] | str:
    """The program and the provider mirror, or a message that says what is missing."""
    program = next((path for name in REGISTRIES if (path := shutil.which(name))), None)
    if program is None:
        return "no terraform and no tofu on the PATH"
    registry = REGISTRIES[Path(program).name]
    for mirror in _mirrors():
        if list(mirror.glob(f"{registry}/hashicorp/aws/*")):
            return program, mirror
    return f"no mirror of {registry}/hashicorp/aws: set TF_PLUGIN_MIRROR to its folder"


def _mirrors() -> Iterator[Path]:
    if configured := os.environ.get("TF_PLUGIN_MIRROR"):
        yield Path(configured)
    configuration = Path(os.environ.get("TF_CLI_CONFIG_FILE") or "~/.terraformrc").expanduser()
    if configuration.is_file():
        yield from map(Path, re.findall(r'^\s*path\s*=\s*"(.+)"', configuration.read_text(), re.MULTILINE))
    for pattern in (*MIRRORS, *MORE_MIRRORS):
        path = Path(pattern).expanduser()
        yield from path.parent.glob(path.name)


#: Marks of the tests that run Terraform.
MARKS = (
    pytest.mark.skipif(not os.environ.get("INFRA_TEST"), reason="takes minutes: make test-infra"),
    pytest.mark.skipif(isinstance(missing := find_tools(), str), reason=f"{missing}"),
)


class Terraform:
    """Runs in `folder`, a copy of the module or a root module that uses it; `endpoint` is moto's URL."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        tools = find_tools()
        assert not isinstance(tools, str)
        self._program, self._mirror = tools
        self._folder = folder
        kept = {name: os.environ[name] for name in ("PATH", "SSL_CERT_FILE") if name in os.environ}
        quiet = {
            "CHECKPOINT_DISABLE": "1",
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._environ = {**kept, **quiet, **KEYS, "HOME": str(folder), "AWS_ENDPOINT_URL": endpoint}

    def __call__(self, *arguments: str, timeout: float = 120) -> str:
        """Run a subcommand; returns its standard output. Raises AssertionError if it fails."""
        command = [self._program, *arguments]
        done = subprocess.run(
            command, cwd=self._folder, env=self._environ, capture_output=True, text=True, timeout=timeout
        )
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def init(self) -> None:
        self("init", f"-plugin-dir={self._mirror}")

    def plan(self) -> Any:
        """Make a plan; returns its JSON."""
        self("plan", "-out=plan", "-lock=false", timeout=300)
        return json.loads(self("show", "-json", "plan"))


def copy_infra(folder: Path, zipped: Path, ca: str) -> Path:
    """Copy infra/'s module and examples with the zip and certificates they refer to. Returns the copy's path."""
    shutil.copytree(INFRA, folder / "infra", ignore=lambda _, names: [n for n in names if n in ("local", "compose")])
    (folder / "build").mkdir()
    shutil.copy(zipped, folder / "build/cart-python3.12.zip")
    for example in (folder / "infra/examples").iterdir():
        (example / "us-east-1-bundle.pem").write_text(ca)
        (example / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    return folder / "infra"


@contextlib.contextmanager
def moto() -> Iterator[str]:
    """Run a moto server that knows AWS's managed policies; yields its endpoint."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environ = {**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
    command = [sys.executable, "-c", SERVE, "-H", "127.0.0.1", "-p", port]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(port)), 1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("moto did not start")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)
