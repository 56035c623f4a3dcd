"""SeaweedFS as an S3 server of its own: it checks the checksums that clients declare."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.local import store_security
from infra.local.ports import LOOPBACK
from infra.local.probes import http_get
from infra.local.services import WEED, WEED_PORTS

START_TIMEOUT = 40.0  # seconds
QUIET = ("-master.telemetry=false", "-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0")


@dataclass(frozen=True)
class Seaweed:
    """A running SeaweedFS. `ports`: of its servers, by name, S3's included."""

    pid: int
    ports: Mapping[str, int]

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports['s3']}"

    def sockets(self) -> list[Path]:
        """The Unix sockets it makes beside its ports, and leaves behind when it is killed."""
        return [path for port in self.ports.values() for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")]


@contextmanager
def seaweed(folder: Path, key: str, secret: str) -> Iterator[str]:
    """The URL of its S3 server; skips the test where SeaweedFS is not installed. It keeps its data in `folder`."""
    with running_seaweed(folder, key, secret) as running:
        yield running.url


@contextmanager
def running_seaweed(folder: Path, key: str, secret: str) -> Iterator[Seaweed]:
    """SeaweedFS as `make run` starts it; skips the test where it is not installed."""
    if not WEED.exists():
        pytest.skip("SeaweedFS has no wheel for this machine")
    ports, log = {name: _free_port() for name in ("s3", *WEED_PORTS)}, folder / "weed.log"
    port, cwd = ports["s3"], store_security.prepare(folder / "store-config")
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(folder, ports), env=_environment(key, secret), cwd=cwd, stdout=output, stderr=output, umask=0o077
        )
    running = Seaweed(process.pid, ports)
    try:
        deadline = time.monotonic() + START_TIMEOUT
        while http_get(port) is None:
            if time.monotonic() > deadline or process.poll() is not None:
                pytest.fail(f"SeaweedFS did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        yield running
    finally:
        process.kill()
        process.wait()
        for path in running.sockets():
            path.unlink(missing_ok=True)


def _command(folder: Path, ports: Mapping[str, int]) -> list[str]:
    flags = [f"-{name.replace('-', '.port.') if '-' in name else name + '.port'}={ports[name]}" for name in ports]
    where = [f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", f"-dir={folder}"]
    return [str(WEED), "-logtostderr=true", "mini", *where, *flags, *QUIET, "-volume.preStopSeconds=0"]


def _environment(key: str, secret: str) -> dict[str, str]:
    return {
        **os.environ,
        "GOMEMLIMIT": "400MiB",
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
