"""The local system's configuration, and the environment of its processes. The caller's variables take precedence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chalicelib.config.docker_links import resolve_links
from chalicelib.config.settings import DATABASE_QUEUE
from infra.local.home import CannotStart, Home
from infra.local.orphans import MARK
from infra.local.ports import LOOPBACK

DEFAULT_PORT = 8081
DEFAULT_WORKERS = 2
REGION = "us-east-1"
#: Concurrent part uploads to the local store, over all workers. It keeps each part in memory, of which it gets little.
UPLOADS = 4


@dataclass(frozen=True, slots=True)
class LocalConfig:
    """The local system as the caller's environment configures it."""

    home: Home
    port: int
    workers: int
    own_store: bool  # start a stand-in; false if AWS_ENDPOINT_URL_S3 is set
    own_queue: bool
    own_archive: bool
    table_is_queue: bool = False  # JOB_QUEUE=database: there is no SQS


def read_config(environ: Mapping[str, str]) -> LocalConfig:
    """Raises CannotStart for an invalid variable."""
    everywhere = bool(environ.get("AWS_ENDPOINT_URL"))
    table_is_queue = environ.get("JOB_QUEUE") == DATABASE_QUEUE
    return LocalConfig(
        home=Home(Path(environ.get("CART_HOME") or ".local").absolute()),
        port=read_number(environ, "PORT", DEFAULT_PORT, 1, 65535),
        workers=read_number(environ, "WORKERS", DEFAULT_WORKERS, 1, 256),
        own_store=not (everywhere or environ.get("AWS_ENDPOINT_URL_S3")),
        own_queue=not (everywhere or environ.get("AWS_ENDPOINT_URL_SQS") or table_is_queue),
        own_archive=not resolve_links(environ).get("ARCHIVE_INTERFACE_URL"),
        table_is_queue=table_is_queue,
    )


def read_number(environ: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """The variable's value. Raises CannotStart."""
    value = environ.get(name) or str(default)
    if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
        raise CannotStart(f"{name} must be a number from {least} to {most} (it is {value!r})")
    return int(value)


def product_environment(environ: Mapping[str, str], config: LocalConfig, ports: Mapping[str, int]) -> dict[str, str]:
    """The environment of API, workers and sweeper. `ports` are the stand-ins' ports: s3, sqs, archive."""
    defaults = {"VOLUME_PATH": str(config.home.volume), "PORT": str(config.port)}
    linked = resolve_links(environ)
    if not linked.get("MYSQL_HOST"):
        defaults["SQLITE_PATH"] = str(config.home.database)
    if config.own_archive:
        defaults["ARCHIVE_INTERFACE_URL"] = f"http://{LOOPBACK}:{ports['archive']}/"
    if config.own_store:
        defaults["AWS_ENDPOINT_URL_S3"] = f"http://{LOOPBACK}:{ports['s3']}"
        defaults["UPLOAD_CONCURRENCY"] = str(max(1, UPLOADS // config.workers))
    if config.own_queue:
        defaults["AWS_ENDPOINT_URL_SQS"] = f"http://{LOOPBACK}:{ports['sqs']}"
    if not environ.get("AWS_REGION"):
        defaults["AWS_DEFAULT_REGION"] = REGION
    set_variables = {name: value for name, value in environ.items() if value}
    return _bypass_proxy(_with_keys(defaults | set_variables, config) | {MARK: str(config.home.root)})


def stand_in_environment(environ: Mapping[str, str], config: LocalConfig) -> dict[str, str]:
    """The stand-ins' environment: the caller's, with the mark by which orphans are found."""
    return dict(environ) | {MARK: str(config.home.root), "PYTHONUNBUFFERED": "1"}


def _with_keys(environment: dict[str, str], config: LocalConfig) -> dict[str, str]:
    """Add the stand-ins' access key, unless the caller has one or both stand-ins are replaced by other services."""
    if environment.get("AWS_ACCESS_KEY_ID") or not (config.own_store or config.own_queue):
        return environment
    key, secret = config.home.keys()
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        environment.pop(name, None)
    return environment | {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}


def _bypass_proxy(environment: dict[str, str]) -> dict[str, str]:
    direct = f"{LOOPBACK},localhost"
    for name in ("no_proxy", "NO_PROXY"):
        environment[name] = f"{environment[name]},{direct}" if environment.get(name) else direct
    return environment | {"PYTHONUNBUFFERED": "1", "AWS_EC2_METADATA_DISABLED": "true"}
