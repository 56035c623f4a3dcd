"""The services of the local system: command line, environment and readiness check of each process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from infra.local import archive, store_security
from infra.local.environment import LocalConfig
from infra.local.ports import LOOPBACK
from infra.local.probes import http_get, is_cart_service
from infra.local.process import ROOT, Service

WEED = Path(sys.executable).parent / "weed"
WEED_PORTS = ("master", "master-grpc", "volume", "volume-grpc", "filer", "filer-grpc", "s3-grpc", "admin", "admin-grpc")
#: A head has 30 s to arrive, and an idle connection is closed after as long; what a body has, the application says.
#: Backpressure counts connections, idle ones too. On SIGTERM, requests in flight get 5 s to finish.
API_SERVER = (
    *("--interface", "asginl", "--http", "1", "--no-ws", "--loop", "asyncio", "--log-level", "warning"),
    *("--backlog", "2048", "--backpressure", "4096", "--http1-buffer-size", "65536"),
    *(
        "--http1-header-read-timeout",
        "30000",
        "--respawn-failed-workers",
        "--respawn-interval",
        "0.5",
        "--workers-kill-timeout",
        "5",
    ),
)
API_PROCESSES = "2"
PROVISION_TIMEOUT = 60.0


def port_names(config: LocalConfig) -> list[str]:
    """The names of the ports that the stand-ins need."""
    store = ["s3", *(f"weed-{name}" for name in WEED_PORTS)] if _has_weed(config) else []
    return store + ["sqs"] * _has_moto(config) + ["archive"] * config.own_archive


def with_s3(config: LocalConfig, ports: Mapping[str, int]) -> dict[str, int]:
    """Add the port of the S3 stand-in, which is moto's if SeaweedFS is not installed."""
    return {"s3": ports["sqs"], **ports} if config.own_store and _has_moto(config) else dict(ports)


def stand_ins(
    config: LocalConfig, ports: Mapping[str, int], base: Mapping[str, str], env: Mapping[str, str]
) -> list[Service]:
    """The stand-ins that the configuration needs. `base` is their environment, `env` the product's."""
    services = []
    if _has_weed(config):
        services.append(_weed(config, ports, base, env))
    if _has_moto(config):
        services.append(_moto(config, ports["sqs"], base, env))
    if config.own_archive:
        services.append(_archive(config, ports["archive"], base))
    return services


def product(config: LocalConfig, env: Mapping[str, str]) -> list[list[Service]]:
    """Two tiers: workers and sweeper, then the API, which therefore answers only when everything is up."""
    workers = [Service(f"worker-{n + 1}", (sys.executable, "-m", "workers"), env) for n in range(config.workers)]
    sweeper = Service("sweeper", (sys.executable, "-m", "chalicelib.sweeper"), env)
    listen = ("--host", LOOPBACK, "--port", str(config.port), "--workers", API_PROCESSES)
    command = (sys.executable, "-m", "granian", *listen, *API_SERVER, "asgi:application")
    api = Service("api", command, env, is_ready=lambda: is_cart_service(config.port))
    return [[*workers, sweeper], [api]]


def provision(env: Mapping[str, str], log: Path, what: Sequence[str]) -> None:
    """Create the bucket and the queues. Raises RuntimeError with the last line of an error."""
    command = [sys.executable, "-m", "infra.local.provision", *what]
    done = subprocess.run(
        command,
        env=dict(env),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PROVISION_TIMEOUT,
    )
    if done.returncode:
        (log / "provision.log").write_text(done.stdout + done.stderr)
        raise RuntimeError(done.stderr.strip().rpartition("\n")[2])


def _weed(config: LocalConfig, ports: Mapping[str, int], base: Mapping[str, str], env: Mapping[str, str]) -> Service:
    flags = [f"-{name.replace('-', '.port.') if '-' in name else name + '.port'}" for name in WEED_PORTS]
    numbers = [f"{flag}={ports['weed-' + name]}" for flag, name in zip(flags, WEED_PORTS, strict=True)]
    quiet = ["-master.telemetry=false", "-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    listen_on = [f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", f"-dir={config.home.store}", f"-s3.port={ports['s3']}"]
    argv = (str(WEED), "-logtostderr=true", "mini", *listen_on, *numbers, *quiet, "-volume.preStopSeconds=0")
    keys = {name: env[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if name in env}
    return Service(
        "store",
        argv,
        {"GOMEMLIMIT": f"{store_memory(machine_memory())}MiB", **base, **keys},
        cwd=store_security.prepare(config.home.store_config),
        is_ready=lambda: http_get(ports["s3"]) is not None,
        when_ready=_provisions(config, env, ["store"]),
    )


def store_memory(machine: int) -> int:
    """The store's memory in MiB, of a machine with so many: above it, the store spends its time on garbage collection.

    It holds every part in flight to it: with four workers, that is up to 2,000 MiB.
    """
    return min(2000, max(400, machine // 8))


def machine_memory() -> int:
    """MiB."""
    return (os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) >> 20


def _moto(config: LocalConfig, port: int, base: Mapping[str, str], env: Mapping[str, str]) -> Service:
    what = ["store"] * (config.own_store and not _has_weed(config)) + ["queue"] * config.own_queue
    return Service(
        "queue",
        (sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(port)),
        base,
        cwd=config.home.store,
        is_ready=lambda: http_get(port, "/moto-api/data.json") is not None,
        when_ready=_provisions(config, env, what),
    )


def _archive(config: LocalConfig, port: int, base: Mapping[str, str]) -> Service:
    return Service(
        "archive",
        archive.command(base, port),
        archive.environment(base, config.home),
        cwd=config.home.archive_config,
        is_ready=lambda: (response := http_get(port)) is not None and response[0] == 200,
    )


def _provisions(config: LocalConfig, env: Mapping[str, str], what: Sequence[str]) -> Callable[[], None]:
    return lambda: provision(env, config.home.log, what)


def _has_weed(config: LocalConfig) -> bool:
    return config.own_store and WEED.exists()


def _has_moto(config: LocalConfig) -> bool:
    return config.own_queue or (config.own_store and not WEED.exists())
