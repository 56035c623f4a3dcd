"""The cart under test: `make run`'s processes on MariaDB, SeaweedFS and moto, with four workers by default."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import trash
from bench.mariadb import Server
from bench.meter import Groups, children_by
from bench.processes import running
from infra.local.home import Home
from infra.local.ports import LOOPBACK
from infra.local.probes import is_cart_service
from infra.local.process import ROOT

WORKERS = 4
DATABASE = "bench_ours"
BUCKET = "bench-bundles"
RECORDING = "queue-requests"
GROUPS = {
    "workers": lambda line: "-m workers" in line,
    "api": lambda line: "asgi:application" in line,
    "sweeper": lambda line: "chalicelib.sweeper" in line,
    "queue": lambda line: "moto.server" in line,
    "store": lambda line: "weed" in line and "mini" in line,
}
#: Variables of the caller that would change the measurements.
REMOVED_VARIABLES = (
    "MYSQL_",
    "AWS_",
    "ARCHIVE_",
    "VOLUME_",
    "BUNDLE_",
    "JOB_",
    "PULL_",
    "UPLOAD_",
    "WINDOW_",
    "PART_",
    "LEASE",
)


@dataclass(frozen=True, slots=True)
class CartSystem:
    url: str
    home: Home
    supervisor: int
    name: str = "ours"

    def groups(self) -> Groups:
        return children_by(self.supervisor, GROUPS)

    def messages(self) -> int:
        """Messages sent to the queue so far."""
        with (self.home.root / RECORDING).open() as requests:
            return sum(map(_messages_in, requests))

    def store(self) -> StoreAccess:
        """The bundle store's endpoint, keys and bucket."""
        port = json.loads(self.home.ports.read_text())["s3"]
        return StoreAccess(f"http://{LOOPBACK}:{port}", *self.home.keys(), BUCKET)

    def volume_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.home.volume.rglob("*") if file.is_file())


@dataclass(frozen=True, slots=True)
class StoreAccess:
    endpoint: str
    key: str
    secret: str
    bucket: str


@contextmanager
def started(
    folder: Path, port: int, server: Server, archive_url: str, workers: int = WORKERS, **settings: str
) -> Iterator[CartSystem]:
    """Start the whole system with empty state: nothing staged, no cart. `settings` are environment variables."""
    trash.move(folder.parent, folder)
    home = Home(folder)
    home.create()
    (folder / RECORDING).touch()
    server.recreate(DATABASE)
    chosen = {"CART_HOME": str(folder), "PORT": str(port), "WORKERS": str(workers), "BUNDLE_BUCKET": BUCKET}
    chosen |= server.variables(DATABASE) | {"ARCHIVE_INTERFACE_URL": archive_url}
    chosen |= {"MOTO_ENABLE_RECORDING": "1", "MOTO_RECORDER_FILEPATH": str(folder / RECORDING)}
    env = _without_removed(os.environ) | chosen | settings
    command = (sys.executable, "-m", "infra.local", "run")
    with running(command, folder / "log" / "supervisor.log", lambda: is_cart_service(port), env=env, cwd=ROOT) as pid:
        yield CartSystem(f"http://{LOOPBACK}:{port}", home, pid)
    trash.move(folder.parent, home.volume)
    trash.move(folder.parent, home.store)


def _without_removed(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith(REMOVED_VARIABLES)}


def _messages_in(line: str) -> int:
    """The number of messages that a recorded queue request sends."""
    request = json.loads(line)
    action = request["headers"].get("X-Amz-Target", "")
    if action == "AmazonSQS.SendMessage":
        return 1
    if action != "AmazonSQS.SendMessageBatch":
        return 0
    body = base64.b64decode(request["body"]) if request["body_encoded"] else request["body"]
    return len(json.loads(body)["Entries"])
