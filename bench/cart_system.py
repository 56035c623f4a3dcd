"""The cart under test: the local supervisor's processes on MariaDB, SeaweedFS and moto, four workers unless told."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.children import running
from bench.leftovers import put_aside
from bench.mariadb import Server
from bench.meter import Groups, children_by
from infra.local.home import Home
from infra.local.ports import LOOPBACK
from infra.local.probes import is_cart_service
from infra.local.process import ROOT

WORKERS = 4
DATABASE = "bench_ours"
BUCKET = "bench-bundles"
RECORDING = "queue-requests"
WHICH = {
    "workers": lambda line: "-m workers" in line,
    "api": lambda line: "wsgi:application()" in line,
    "sweeper": lambda line: "chalicelib.sweeper" in line,
    "queue": lambda line: "moto.server" in line,
    "store": lambda line: "weed" in line and "mini" in line,
}
#: What the caller's environment must not change under the measurements.
OURS = ("MYSQL_", "AWS_", "ARCHIVE_", "VOLUME_", "BUNDLE_", "JOB_", "PULL_", "UPLOAD_", "WINDOW_", "PART_", "LEASE")


@dataclass(frozen=True, slots=True)
class Ours:
    url: str
    home: Home
    supervisor: int
    name: str = "ours"

    def groups(self) -> Groups:
        return children_by(self.supervisor, WHICH)

    def messages(self) -> int:
        """Messages sent to the queue so far."""
        with (self.home.root / RECORDING).open() as requests:
            return sum(map(_sent, requests))

    def store(self) -> Store:
        """Where bundles are kept, and the keys to it."""
        port = json.loads(self.home.ports.read_text())["s3"]
        return Store(f"http://{LOOPBACK}:{port}", *self.home.keys(), BUCKET)

    def volume_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.home.volume.rglob("*") if file.is_file())


@dataclass(frozen=True, slots=True)
class Store:
    endpoint: str
    key: str
    secret: str
    bucket: str


@contextmanager
def started(
    folder: Path, port: int, server: Server, archive_url: str, workers: int = WORKERS, **settings: str
) -> Iterator[Ours]:
    """The whole system, from empty: nothing staged, no cart. `settings` are variables of the product."""
    put_aside(folder.parent, folder)
    home = Home(folder)
    home.make()
    (folder / RECORDING).touch()
    server.recreate(DATABASE)
    chosen = {"CART_HOME": str(folder), "PORT": str(port), "WORKERS": str(workers), "BUNDLE_BUCKET": BUCKET}
    chosen |= server.variables(DATABASE) | {"ARCHIVE_INTERFACE_URL": archive_url}
    chosen |= {"MOTO_ENABLE_RECORDING": "1", "MOTO_RECORDER_FILEPATH": str(folder / RECORDING)}
    env = _clean(os.environ) | chosen | settings
    command = (sys.executable, "-m", "infra.local", "run")
    with running(command, folder / "log" / "supervisor.log", lambda: is_cart_service(port), env=env, cwd=ROOT) as pid:
        yield Ours(f"http://{LOOPBACK}:{port}", home, pid)
    put_aside(folder.parent, home.volume)
    put_aside(folder.parent, home.store)


def _clean(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith(OURS)}


def _sent(line: str) -> int:
    """Messages a recorded request of the queue's sends."""
    request = json.loads(line)
    action = request["headers"].get("X-Amz-Target", "")
    if action == "AmazonSQS.SendMessage":
        return 1
    if action != "AmazonSQS.SendMessageBatch":
        return 0
    body = base64.b64decode(request["body"]) if request["body_encoded"] else request["body"]
    return len(json.loads(body)["Entries"])
