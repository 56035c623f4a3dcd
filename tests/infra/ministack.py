"""Runs ministack, a stand-in for AWS that runs the packaged Lambdas behind API Gateway, and a module applied to it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import requests

from tests.infra import policies
from tests.infra.terraform import KEYS, Terraform

NAME = "called-cart"
ROOT_MODULE = """
provider "aws" {}

variable "auth" {
  type = string
}

variable "api_allowed_cidrs" {
  type    = list(string)
  default = ["198.51.100.0/24"]
}

module "cart" {
  source            = "./infra"
  name              = "%s"
  lambda_zip        = "%s"
  image_tag         = "v1"
  database_ca       = file("ca.pem")
  archive_url       = "https://archive.example.org/"
  archive_cidrs     = ["192.0.2.0/24"]
  api_allowed_cidrs = var.api_allowed_cidrs
  auth              = var.auth
  oidc              = { issuers = ["https://login.example.org/"], audience = ["cart"] }
  issuer_cidrs      = ["203.0.113.0/28"]
  policy_url        = "https://policy.example.org:8443/v1"
  policy_cidrs      = ["203.0.113.16/28"]
  rehearsal         = true
  protect           = { database = false, backups = false, bundles = false }
}

output "cart" {
  value = module.cart
}
"""
#: ministack makes no master secret; no test here logs in with it.
OVERRIDE = 'locals {\n  database_secret_arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:master"\n}\n'


@dataclass
class Called:
    """The module, applied; `endpoint` is ministack's URL."""

    run: Terraform
    endpoint: str
    #: where the stand-ins are
    environ: dict[str, str] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        session = boto3.session.Session("test", "test", region_name="us-east-1")
        return session.client(service, endpoint_url=self.endpoint)

    def apply(self, auth: str, **more: str) -> None:
        self.run("apply", "-auto-approve", "-parallelism=40", *_arguments(auth, more), timeout=900)
        if self.environ:  # the functions have their deployed environment again
            self.stand_in(self.environ)

    def resources(self) -> list[dict[str, Any]]:
        """Everything that was made, from Terraform's state."""
        return list(policies.resources(json.loads(self.run("show", "-json"))["values"]["root_module"]))

    def plan(self, auth: str, **more: str) -> dict[str, list[str]]:
        """Address -> actions of each change."""
        self.run("plan", "-out=plan", "-lock=false", *_arguments(auth, more), timeout=300)
        changes = json.loads(self.run("show", "-json", "plan"))["resource_changes"]
        return {change["address"]: change["change"]["actions"] for change in changes}

    @property
    def stage(self) -> tuple[str, dict[str, Any]]:
        """The API's id and its deployed stage."""
        client = self.client("apigateway")
        (api,) = [api for api in client.get_rest_apis()["items"] if api["name"] == NAME]
        return api["id"], client.get_stage(restApiId=api["id"], stageName="api")

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Call the deployed address."""
        url = f"{self.endpoint}/restapis/{self.stage[0]}/api/_user_request_{path}"
        return requests.request(method, url, timeout=60, allow_redirects=False, **options)

    def stand_in(self, environ: dict[str, str]) -> None:
        """Tell the deployed API where the stand-ins are; everything else in its environment stays as deployed."""
        self.environ = environ
        client = self.client("lambda")
        deployed = client.get_function_configuration(FunctionName=f"{NAME}-api")["Environment"]["Variables"]
        client.update_function_configuration(
            FunctionName=f"{NAME}-api", Environment={"Variables": {**deployed, **environ}}
        )


def _arguments(auth: str, more: dict[str, str]) -> list[str]:
    # ministack forgets much of what it was told about networks, and the provider cannot plan some of it again.
    return ["-refresh=false", f"-var=auth={auth}", *(f"-var={name}={value}" for name, value in more.items())]


def prepared(root: Path, folder: Path, zipped: Path, ca: str, endpoint: str) -> Called:
    """A root module in `root`, not yet applied; `folder` is a copy of infra/ that may be changed."""
    (folder / "stand_in_override.tf").write_text(OVERRIDE)
    (root / "infra").symlink_to(folder)
    (root / "ca.pem").write_text(ca)
    (root / "main.tf").write_text(ROOT_MODULE % (NAME, zipped))
    run = Terraform(root, endpoint)
    run.init()
    return Called(run, endpoint)


@contextlib.contextmanager
def ministack(folder: Path) -> Iterator[str]:
    """Run the server with its state in `folder`; yields its endpoint."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    own = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": port, "TMPDIR": str(folder), "STATE_DIR": str(folder / "state")}
    own |= {"S3_DATA_DIR": str(folder / "s3"), "DOCKER_HOST": f"unix://{folder}/none", **KEYS}  # no containers
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            env={**os.environ, **own},
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 60
        while not _listens(int(port)):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"ministack did not start: {(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # with the processes of its functions; it keeps nothing that matters
        process.wait()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
