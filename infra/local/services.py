"""Every process of the local system: its command line, its environment, and how one sees that it is ready."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from infra.local import archive
from infra.local.environment import Wanted
from infra.local.ports import LOOPBACK
from infra.local.probes import answers, is_cart_service
from infra.local.process import ROOT, Service

WEED = Path(sys.executable).parent / "weed"
WEED_PORTS = ("master", "master-grpc", "volume", "volume-grpc", "filer", "filer-grpc", "s3-grpc", "admin", "admin-grpc")
API_WORKER = "chalicelib.api.gunicorn_worker.Worker"
API_SERVER = ("-k", API_WORKER, "--keep-alive", "30", "--graceful-timeout", "5")
API_SIZE = ("-w", "2", "--threads", "8")
PROVISION_WITHIN = 60.0


def port_names(want: Wanted) -> list[str]:
    """The ports this system needs beside its own."""
    store = ["s3", *(f"weed-{name}" for name in WEED_PORTS)] if _has_weed(want) else []
    return store + ["sqs"] * _has_moto(want) + ["archive"] * want.own_archive


def with_s3(want: Wanted, ports: Mapping[str, int]) -> dict[str, int]:
    """The ports with that of the S3 stand-in, which is moto's where SeaweedFS has no wheel."""
    return {"s3": ports["sqs"], **ports} if want.own_store and _has_moto(want) else dict(ports)


def stand_ins(want: Wanted, ports: Mapping[str, int], base: Mapping[str, str], env: Mapping[str, str]) -> list[Service]:
    """`base` is the stand-ins' environment, `env` the product's."""
    services = []
    if _has_weed(want):
        services.append(_weed(want, ports, base, env))
    if _has_moto(want):
        services.append(_moto(want, ports["sqs"], base, env))
    if want.own_archive:
        services.append(_archive(want, ports["archive"], base))
    return services


def product(want: Wanted, env: Mapping[str, str]) -> list[list[Service]]:
    """Workers and sweeper, then the API, so that it answers when all is up."""
    workers = [Service(f"worker-{n + 1}", (sys.executable, "-m", "workers"), env) for n in range(want.workers)]
    sweeper = Service("sweeper", (sys.executable, "-m", "chalicelib.sweeper"), env)
    server = ("-m", "gunicorn", "--no-control-socket", "-b", f"{LOOPBACK}:{want.port}", *API_SERVER, *API_SIZE)
    api = Service(
        "api", (sys.executable, *server, "wsgi:application()"), env, is_ready=lambda: is_cart_service(want.port)
    )
    return [[*workers, sweeper], [api]]


def provision(env: Mapping[str, str], log: Path, what: Sequence[str]) -> None:
    """Make the bucket and the queues; raises RuntimeError with what it said."""
    command = [sys.executable, "-m", "infra.local.provision", *what]
    done = subprocess.run(
        command,
        env=dict(env),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PROVISION_WITHIN,
    )
    if done.returncode:
        (log / "provision.log").write_text(done.stdout + done.stderr)
        raise RuntimeError(done.stderr.strip().rpartition("\n")[2])


def _weed(want: Wanted, ports: Mapping[str, int], base: Mapping[str, str], env: Mapping[str, str]) -> Service:
    listen = [f"-{name.replace('-', '.port.') if '-' in name else name + '.port'}" for name in WEED_PORTS]
    numbers = [f"{flag}={ports['weed-' + name]}" for flag, name in zip(listen, WEED_PORTS, strict=True)]
    quiet = ["-master.telemetry=false", "-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    where = [f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", f"-dir={want.home.store}", f"-s3.port={ports['s3']}"]
    argv = (str(WEED), "-logtostderr=true", "mini", *where, *numbers, *quiet, "-volume.preStopSeconds=0")
    keys = {name: env[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if name in env}
    return Service(
        "store",
        argv,
        {"GOMEMLIMIT": "400MiB", **base, **keys},
        cwd=want.home.store,
        is_ready=lambda: answers(ports["s3"]) is not None,
        when_ready=_provisions(want, env, ["store"]),
    )


def _moto(want: Wanted, port: int, base: Mapping[str, str], env: Mapping[str, str]) -> Service:
    what = ["store"] * (want.own_store and not _has_weed(want)) + ["queue"] * want.own_queue
    return Service(
        "queue",
        (sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(port)),
        base,
        cwd=want.home.store,
        is_ready=lambda: answers(port, "/moto-api/data.json") is not None,
        when_ready=_provisions(want, env, what),
    )


def _archive(want: Wanted, port: int, base: Mapping[str, str]) -> Service:
    return Service(
        "archive",
        archive.command(base, port),
        archive.environment(base, want.home),
        cwd=want.home.archive_config,
        is_ready=lambda: (answer := answers(port)) is not None and answer[0] == 200,
    )


def _provisions(want: Wanted, env: Mapping[str, str], what: Sequence[str]) -> Callable[[], None]:
    return lambda: provision(env, want.home.log, what)


def _has_weed(want: Wanted) -> bool:
    return want.own_store and WEED.exists()


def _has_moto(want: Wanted) -> bool:
    return want.own_queue or (want.own_store and not WEED.exists())
