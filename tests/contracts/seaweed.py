"""SeaweedFS as an S3 server of its own: it checks the checksums that clients declare."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.local.ports import LOOPBACK
from infra.local.probes import http_get
from infra.local.services import WEED, WEED_PORTS

START_TIMEOUT = 40.0  # seconds
QUIET = ("-master.telemetry=false", "-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0")


@contextmanager
def seaweed(folder: Path, key: str, secret: str) -> Iterator[str]:
    """The URL of its S3 server; skips the test where SeaweedFS is not installed. It keeps its data in `folder`."""
    if not WEED.exists():
        pytest.skip("SeaweedFS has no wheel for this machine")
    port, log = _free_port(), folder / "weed.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(folder, port), env=_environment(key, secret), cwd=folder, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT
        while http_get(port) is None:
            if time.monotonic() > deadline or process.poll() is not None:
                pytest.fail(f"SeaweedFS did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        yield f"http://{LOOPBACK}:{port}"
    finally:
        process.kill()
        process.wait()


def _command(folder: Path, s3_port: int) -> list[str]:
    ports = [f"-{name.replace('-', '.port.') if '-' in name else name + '.port'}={_free_port()}" for name in WEED_PORTS]
    where = [f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", f"-dir={folder}", f"-s3.port={s3_port}"]
    return [str(WEED), "-logtostderr=true", "mini", *where, *ports, *QUIET, "-volume.preStopSeconds=0"]


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
