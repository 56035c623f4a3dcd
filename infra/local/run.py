"""`make run`: runs the whole system until Ctrl-C or SIGTERM."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from chalicelib.config.docker_links import resolve_links
from chalicelib.config.settings import load
from chalicelib.errors import SettingsError
from infra.local import archive, services
from infra.local.banner import banner
from infra.local.environment import LocalConfig, product_environment, read_config, stand_in_environment
from infra.local.home import CannotStart
from infra.local.orphans import end_orphans
from infra.local.ports import LOOPBACK, bind_error, keep_ports
from infra.local.probes import describe_listener
from infra.local.process import Service
from infra.local.supervisor import StartFailed, Supervisor


def run(environ: Mapping[str, str]) -> int:
    """Returns the exit code: 0 after a requested stop, 1 if the system cannot start."""
    os.umask(0o077)  # the home is private, and so is all that the children write, sockets in /tmp included
    try:
        config = read_config(environ)
        config.home.create()
        with config.home.lock(config.port, own_archive=config.own_archive):
            _check_port(config.port)
            return _supervise(config, environ)
    except (CannotStart, StartFailed) as error:
        print(f"cannot run: {error}", file=sys.stderr, flush=True)
        return 1


def say(line: str) -> None:
    try:
        print(line, flush=True)
    except OSError:
        pass  # stdout is closed; the system keeps running


def _supervise(config: LocalConfig, environ: Mapping[str, str]) -> int:
    """Run the system. The caller holds the home's lock."""
    if orphans := end_orphans(config.home.root):
        say(f"ended {orphans} orphaned processes of an earlier run")
    ports = keep_ports(config.home.ports, services.port_names(config), on_taken=_say_taken)
    tiers = _tiers(config, environ, services.with_s3(config, ports))
    supervisor = Supervisor(tiers, config.home.log, say=say)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, supervisor.request_stop)
    say(f"starting {', '.join(service.name for tier in tiers for service in tier)} ...")
    try:
        supervisor.run(lambda: say(_banner(config, environ)))
    finally:
        end_orphans(config.home.root, timeout=0.0)  # processes that left their child's process group
        _remove_sockets(ports)
    say("all processes have stopped")
    return 0


def _banner(config: LocalConfig, environ: Mapping[str, str]) -> str:
    sqlite = (
        None if resolve_links(environ).get("MYSQL_HOST") else environ.get("SQLITE_PATH") or str(config.home.database)
    )
    url, auth = f"http://{LOOPBACK}:{config.port}/", environ.get("AUTH") or "none"
    return banner(url, config.home.log, auth, sqlite, _queue(config))


def _queue(config: LocalConfig) -> str:
    if config.table_is_queue:
        return "the database"
    return "SQS, which moto stands in for" if config.own_queue else "SQS"


def _tiers(config: LocalConfig, environ: Mapping[str, str], ports: Mapping[str, int]) -> list[list[Service]]:
    env = product_environment(environ, config, ports)
    _check_settings(env)
    if config.own_archive:
        archive.prepare(config.home)
    external = ["store"] * (not config.own_store) + ["queue"] * (not (config.own_queue or config.table_is_queue))
    if external:
        _provision_external(config, env, external)
    base = stand_in_environment(environ, config)
    return [services.stand_ins(config, ports, base, env), *services.product(config, env)]


def _check_port(port: int) -> None:
    error = bind_error(port)
    if error is None:
        return
    if error.errno != errno.EADDRINUSE:
        raise CannotStart(f"port {port} cannot be used: {os.strerror(error.errno or 0)}")
    raise CannotStart(f"port {port} is taken by {describe_listener(port)}: stop it, or set PORT to another port")


def _check_settings(env: Mapping[str, str]) -> None:
    try:
        settings = load(env, worker=True)
    except SettingsError as error:
        raise CannotStart(error.message) from None
    try:
        Path(settings.volume_path or "/").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(f"VOLUME_PATH cannot be used: {error}") from None


def _provision_external(config: LocalConfig, env: Mapping[str, str], what: list[str]) -> None:
    try:
        services.provision(env, config.home.log, what)
    except RuntimeError as error:
        raise CannotStart(f"the {' and the '.join(what)} at AWS_ENDPOINT_URL*: {error}") from None


def _say_taken(name: str, port: int) -> None:
    broken = "; earlier download links stop working" if name == "s3" else ""
    say(f"port {port} of {name} is taken by {describe_listener(port)}: choosing another{broken}")


def _remove_sockets(ports: Mapping[str, int]) -> None:
    """Remove the sockets in /tmp, one per port, that SeaweedFS leaves behind when it is killed."""
    for port in ports.values():
        for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            socket.unlink(missing_ok=True)
