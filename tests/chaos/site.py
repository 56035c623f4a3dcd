"""The system under test: every part is a process of its own, and faults can be injected between them.

A proxy in front of the store and of the queue injects HTTP faults; a TCP relay between each worker and each service
injects network partitions. All processes keep running from round to round; `restart_dead` starts those that died, as an
orchestrator does.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3

from chalicelib.config.settings import DATABASE_QUEUE
from infra.local import services
from infra.local.archive_simulator import RunningSimulator
from infra.local.environment import LocalConfig, product_environment
from infra.local.home import Home
from infra.local.ports import LOOPBACK, keep_ports
from infra.local.probes import http_get, is_cart_service
from infra.local.process import ROOT
from tests.chaos.database import MariaDB
from tests.chaos.process import Child
from tests.chaos.proxy import Proxy
from tests.chaos.tcp_relay import TcpRelay

WORKERS = 3
LEASE = 5
VOLUME_SIZE = 64 << 20
START_TIMEOUT = 60.0
BUCKET, QUEUE = "chaos-bundles", "chaos-jobs"
SETTINGS = {
    "LEASE": str(LEASE),
    "SWEEP_INTERVAL": "1",
    "DATABASE_WAIT": "0.5",
    "ARCHIVE_READ_TIMEOUT": "2",
    "ARCHIVE_CONNECT_TIMEOUT": "2",
    "ARCHIVE_PATIENCE": "10",
    "PART_SIZE": "5M",
    "WINDOW_SIZE": "6M",
    "WINDOW_FILES": "40",
    "PULL_CONCURRENCY": "4",
    "BUNDLE_BUCKET": BUCKET,
    "JOB_QUEUE": QUEUE,
}
#: Settings by the kind of the job queue.
QUEUES: dict[str, dict[str, str]] = {"sqs": {}, "database": {"JOB_QUEUE": DATABASE_QUEUE}}
#: Services that each worker reaches through a TCP relay of its own.
RELAYED_SERVICES = ("database", "queue", "store", "archive")
#: Variables of the caller that the system must not inherit.
NOT_INHERITED = (
    "MYSQL_", "AWS_", "ARCHIVE", "VOLUME_", "BUNDLE_", "JOB_", "PULL_", "UPLOAD_", "WINDOW_", "PART_", "LEASE",
)  # fmt: skip


class Site:
    def __init__(
        self, folder: Path, workers: int = WORKERS, settings: Mapping[str, str] | None = None, *, proxied: bool = True
    ) -> None:
        """Empties `folder`, starts everything there and returns when the API responds.

        `settings` override SETTINGS. `proxied`: the product uses the proxies and TCP relays; otherwise it reaches
        each service directly, and no fault can be injected.
        """
        self._proxied = proxied
        self.worker_count = workers
        self._settings = SETTINGS | dict(settings or {})
        self.has_sqs = self._settings["JOB_QUEUE"] != DATABASE_QUEUE
        shutil.rmtree(folder, ignore_errors=True)
        self.home = Home(folder)
        self.home.create()
        self.armed = folder / "armed"
        self.armed.mkdir()
        self.clock, self.disk = folder / "clock", folder / "disk"
        self.mounted = _mount(self.home.volume)
        self.children: dict[str, Child] = {}
        self.ports = self._ports()
        self.database = MariaDB(folder / "mariadb", self.ports["database"], self.home.log / "database.log")
        self._start_stand_ins()
        self.archive = RunningSimulator(f"http://{LOOPBACK}:{self.ports['archive']}/")
        self.store_proxy = Proxy(self.ports["s3"])
        if self.has_sqs:
            self.queue_proxy = Proxy(self.ports["sqs"], _short_polls)
        self.relays = self._make_relays() if proxied else []
        self._start_product()
        self.url = f"http://{LOOPBACK}:{self.ports['api']}"
        self._await("the API", lambda: is_cart_service(self.ports["api"]))

    @property
    def workers(self) -> list[Child]:
        return [child for name, child in self.children.items() if name.startswith("worker")]

    def client(self, service: str, port: str) -> Any:
        """A boto3 client for the harness, which does not use the proxies. `port`: the name of the service's port."""
        key, secret = self.home.keys()
        session = boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1")
        make: Any = session.client
        return make(service, endpoint_url=f"http://{LOOPBACK}:{self.ports[port]}")

    def s3(self) -> Any:
        return self.client("s3", "s3")

    def restart_dead(self) -> None:
        """Call this from the main thread only (see Child)."""
        for child in self.children.values():
            child.restart_if_dead()

    def wait(self, seconds: float) -> None:
        """Sleep, and restart processes that die meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.restart_dead()
            time.sleep(min(0.1, seconds))

    def restart_queue(self) -> None:
        """Restart the queue without its state: all messages are lost, including those in flight."""
        queue = self.children["queue"]
        queue.kill_group()
        queue.start()
        self._await("the queue", lambda: http_get(self.ports["sqs"], "/moto-api/data.json") is not None)
        self._provision("queue")

    def restart_store(self) -> None:
        store = self.children["store"]
        store.kill_group()
        store.start()
        self._await("the store", lambda: http_get(self.ports["s3"]) is not None)

    def make_reconcile_due(self) -> None:
        """Make the next sweep compare the volume with the database; otherwise a sweep does so every 45 s."""
        self.database.query("UPDATE volume SET reconciled_at = 0")

    def close(self) -> None:
        for child in self.children.values():
            child.keep_running = False
            child.signal(signal.SIGCONT)
        for child in self.children.values():
            child.kill_group()
        self.database.child.kill_group()
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.home.volume)], check=False)

    def _ports(self) -> dict[str, int]:
        names = ["database", "api", "archive", *services.port_names(self._wanted(8081))]
        return keep_ports(self.home.ports, names, on_taken=lambda *_: None)

    def _wanted(self, api: int) -> LocalConfig:
        return LocalConfig(self.home, api, self.worker_count, own_store=True, own_queue=self.has_sqs, own_archive=False)

    def environment(self) -> dict[str, str]:
        """The product's environment, without the proxies."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
        archive = {"ARCHIVE_INTERFACE_URL": f"http://{LOOPBACK}:{self.ports['archive']}/"}
        hooks = {"CHAOS_ARMED": str(self.armed), "CHAOS_DISK": str(self.disk)}
        own = self._settings | self.database.variables() | archive | hooks
        return product_environment(inherited | own, self._wanted(self.ports["api"]), self.ports)

    def _start_stand_ins(self) -> None:
        env, base = self.environment(), dict(os.environ)
        for service in services.stand_ins(self._wanted(self.ports["api"]), self.ports, base, env):
            self.children[service.name] = self._child(service.name, service.argv, service.env, service.cwd)
            self._await(service.name, service.is_ready)
            service.when_ready()
        simulator = (sys.executable, "-m", "infra.local.archive_simulator", "--port", str(self.ports["archive"]))
        self.children["archive"] = self._child("archive", simulator, base)
        self._await("the archive", lambda: http_get(self.ports["archive"]) is not None)

    def _start_product(self) -> None:
        proxied = {"AWS_ENDPOINT_URL_S3": self.store_proxy.url}
        if self.has_sqs:
            proxied["AWS_ENDPOINT_URL_SQS"] = self.queue_proxy.url
        env = self.environment() | (proxied if self._proxied else {})
        for tier in services.product(self._wanted(self.ports["api"]), env):
            for service in tier:
                argv, own = _with_hooks(service.name, service.argv), dict(service.env)
                if service.name == f"worker-{self.worker_count}":
                    own["CHAOS_CLOCK"] = str(self.clock)
                if self._proxied and service.name.startswith("worker-"):
                    own |= self._relay_settings(int(service.name.removeprefix("worker-")) - 1)
                self.children[service.name] = self._child(service.name, argv, own)

    def _make_relays(self) -> list[dict[str, TcpRelay]]:
        """For each worker, its relays by service."""
        ports = self.ports | {"store": self.store_proxy.port}
        if self.has_sqs:
            ports["queue"] = self.queue_proxy.port
        names = [name for name in RELAYED_SERVICES if name in ports]
        return [{name: TcpRelay(ports[name]) for name in names} for _ in range(self.worker_count)]

    def _relay_settings(self, worker: int) -> dict[str, str]:
        """Settings that send a worker's traffic through its relays. `worker`: its index, from 0."""
        urls = {name: f"http://{LOOPBACK}:{relay.port}" for name, relay in self.relays[worker].items()}
        return {
            "MYSQL_PORT": str(self.relays[worker]["database"].port),
            "AWS_ENDPOINT_URL_S3": urls["store"],
            "ARCHIVE_INTERFACE_URL": f"{urls['archive']}/",
            **({"AWS_ENDPOINT_URL_SQS": urls["queue"]} if self.has_sqs else {}),
        }

    def _child(self, name: str, argv: Sequence[str], env: Mapping[str, str], cwd: Path = ROOT) -> Child:
        child = Child(name, argv, env, self.home.log / f"{name}.log", cwd)
        child.start()
        return child

    def _provision(self, what: str) -> None:
        services.provision(self.environment(), self.home.log, [what])

    def _await(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not ready():
            if time.monotonic() > deadline:
                raise SystemExit(f"chaos: {name} did not start; see {self.home.log}")
            self.restart_dead()
            time.sleep(0.05)


def _short_polls(body: bytes) -> bytes:
    """Shorten long polls: moto delivers messages to a poll whose client was killed; 20 s of that would mask faults."""
    return re.sub(rb'"WaitTimeSeconds": *[0-9]+', b'"WaitTimeSeconds": 1', body)


def _with_hooks(name: str, argv: tuple[str, ...]) -> tuple[str, ...]:
    """The process's command line with chaos hooks (see child.py); worker-1 runs without them, as in production."""
    if name == "api":
        return (sys.executable, "-m", "tests.chaos.child", "api", *argv[argv.index("granian") + 1 :])
    if name.startswith("worker") and name != "worker-1":
        return (sys.executable, "-m", "tests.chaos.child", "worker")
    return argv


def _mount(folder: Path) -> bool:
    """Mount a small tmpfs, which faults can fill and make read-only; returns False without permission to mount."""
    size = ["-o", f"size={VOLUME_SIZE}", "tmpfs", str(folder)]
    done = subprocess.run(["mount", "-t", "tmpfs", *size], check=False, capture_output=True)
    return done.returncode == 0
