"""`make run`: the whole system, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from chalicelib.config.settings import load
from chalicelib.errors import SettingsError
from infra.local import archive, services
from infra.local.banner import banner
from infra.local.environment import Wanted, product_environment, stand_in_environment, wanted
from infra.local.home import InTheWay
from infra.local.ports import LOOPBACK, keep_ports, why_not_free
from infra.local.probes import end_leftovers, listener
from infra.local.process import Service
from infra.local.supervisor import StartFailed, Supervisor


def run(environ: Mapping[str, str]) -> int:
    """The exit code: 0 when asked to end, 1 when something is in the way or does not start."""
    try:
        want = wanted(environ)
        want.home.make()
        with want.home.hold(want.port, own_archive=want.own_archive):
            _check_port(want.port)
            return _supervise(want, environ)
    except (InTheWay, StartFailed) as error:
        print(f"cannot run: {error}", file=sys.stderr, flush=True)
        return 1


def say(line: str) -> None:
    try:
        print(line, flush=True)
    except OSError:
        pass  # nobody reads any more; the system goes on


def _supervise(want: Wanted, environ: Mapping[str, str]) -> int:
    """While the home is held."""
    if left := end_leftovers(want.home.root):
        say(f"ended {left} processes left over from a run that was killed")
    ports = keep_ports(want.home.ports, services.port_names(want), taken=_say_taken)
    tiers = _tiers(want, environ, services.with_s3(want, ports))
    supervisor = Supervisor(tiers, want.home.log, say=say)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, supervisor.ask_to_end)
    say(f"starting {', '.join(service.name for tier in tiers for service in tier)} ...")
    try:
        supervisor.run(lambda: say(banner(f"http://{LOOPBACK}:{want.port}/", want.home.log)))
    finally:
        end_leftovers(want.home.root, patience=0.0)  # what left its group
        _remove_sockets(ports)
    say("all processes have ended")
    return 0


def _tiers(want: Wanted, environ: Mapping[str, str], ports: Mapping[str, int]) -> list[list[Service]]:
    env = product_environment(environ, want, ports)
    _check_settings(env)
    if want.own_archive:
        archive.prepare(want.home)
    elsewhere = ["store"] * (not want.own_store) + ["queue"] * (not want.own_queue)
    if elsewhere:
        _provision_elsewhere(want, env, elsewhere)
    base = stand_in_environment(environ, want)
    return [services.stand_ins(want, ports, base, env), *services.product(want, env)]


def _check_port(port: int) -> None:
    error = why_not_free(port)
    if error is None:
        return
    if error.errno != errno.EADDRINUSE:
        raise InTheWay(f"port {port} cannot be used: {os.strerror(error.errno or 0)}")
    raise InTheWay(f"port {port} is taken by {listener(port)}: end it, or set PORT to another")


def _check_settings(env: Mapping[str, str]) -> None:
    try:
        settings = load(env, worker=True)
    except SettingsError as error:
        raise InTheWay(error.message) from None
    try:
        Path(settings.volume_path or "/").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InTheWay(f"VOLUME_PATH cannot be used: {error}") from None


def _provision_elsewhere(want: Wanted, env: Mapping[str, str], what: list[str]) -> None:
    try:
        services.provision(env, want.home.log, what)
    except RuntimeError as error:
        raise InTheWay(f"the {' and the '.join(what)} given by AWS_ENDPOINT_URL*: {error}") from None


def _say_taken(name: str, port: int) -> None:
    lost = "; download links given out before it stop working" if name == "s3" else ""
    say(f"port {port}, kept for {name}, is taken by {listener(port)}: choosing another{lost}")


def _remove_sockets(ports: Mapping[str, int]) -> None:
    """SeaweedFS puts a socket for each port into /tmp and leaves it there when it is killed."""
    for port in ports.values():
        for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            socket.unlink(missing_ok=True)
