"""`make local`: `chalice local`, the API under Chalice's development server, beside a running `make run`.

It uses that system's database, store and queue, so its workers make the carts posted here. Chalice restarts the server
when a source file changes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from chalicelib.config.settings import load
from chalicelib.errors import SettingsError
from infra.local import services
from infra.local.environment import product_environment, read_config, read_number
from infra.local.home import CannotStart
from infra.local.orphans import MARK
from infra.local.ports import LOOPBACK, bind_error, saved_ports
from infra.local.probes import describe_listener
from infra.local.process import ROOT

DEFAULT_PORT = 8000  # Chalice's own
#: The variables that replace a stand-in.
VARIABLES = {
    "s3": "AWS_ENDPOINT_URL_S3",
    "sqs": "AWS_ENDPOINT_URL_SQS or JOB_QUEUE",
    "archive": "ARCHIVE_INTERFACE_URL",
}
CHALICE = Path(sys.executable).parent / "chalice"  # it runs its own command line again to restart


def chalice_local(environ: Mapping[str, str]) -> int:
    """Become the server; returns only if it cannot start."""
    try:
        port = read_number(environ, "LOCAL_PORT", DEFAULT_PORT, 1, 65535)
        environment = running_system(environ)
        if bind_error(port) is not None:
            raise CannotStart(f"port {port} is taken by {describe_listener(port)}: set LOCAL_PORT to another port")
        _become_server(port, environment)
    except CannotStart as error:
        print(f"cannot run chalice local: {error}", file=sys.stderr, flush=True)
    return 1


def running_system(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of the API of the running system. Raises CannotStart."""
    config = read_config(environ)
    if not config.home.lock_owner():
        raise CannotStart(f"no system is running in {config.home.root}: start it with make run, or set its CART_HOME")
    try:
        ports = services.with_s3(config, saved_ports(config.home.ports))
        environment = product_environment(environ, config, ports)
        load(environment)
    except KeyError as error:
        raise CannotStart(f"the system uses your {error}: set {VARIABLES[error.args[0]]} as you did for it") from None
    except SettingsError as error:
        raise CannotStart(error.message) from None
    # Stopping or starting the system ends the processes that have its mark.
    return {name: value for name, value in environment.items() if name != MARK}


def _become_server(port: int, environment: Mapping[str, str]) -> NoReturn:
    os.chdir(ROOT)
    os.execve(CHALICE, [str(CHALICE), "local", "--host", LOOPBACK, "--port", str(port)], environment)
