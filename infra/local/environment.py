"""The environment of the product's processes. What is set already wins over everything chosen here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chalicelib.config.docker_links import resolve_links
from infra.local.home import Home, InTheWay
from infra.local.ports import LOOPBACK
from infra.local.probes import MARK

DEFAULT_PORT = 8081
DEFAULT_WORKERS = 2
REGION = "us-east-1"
#: Parts on their way to our store at once, from all workers: it holds each in its memory, and is given little of that.
UPLOADS = 4


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller's environment asks for."""

    home: Home
    port: int
    workers: int
    own_store: bool  # False: AWS_ENDPOINT_URL_S3 names one
    own_queue: bool
    own_archive: bool


def wanted(environ: Mapping[str, str]) -> Wanted:
    """Raises InTheWay for a variable that makes no sense."""
    everywhere = bool(environ.get("AWS_ENDPOINT_URL"))
    return Wanted(
        home=Home(Path(environ.get("CART_HOME") or ".local").absolute()),
        port=_number(environ, "PORT", DEFAULT_PORT, 1, 65535),
        workers=_number(environ, "WORKERS", DEFAULT_WORKERS, 1, 256),
        own_store=not (everywhere or environ.get("AWS_ENDPOINT_URL_S3")),
        own_queue=not (everywhere or environ.get("AWS_ENDPOINT_URL_SQS")),
        own_archive=not resolve_links(environ).get("ARCHIVE_INTERFACE_URL"),
    )


def product_environment(environ: Mapping[str, str], want: Wanted, ports: Mapping[str, int]) -> dict[str, str]:
    """`ports` has those of the stand-ins that are ours: s3, sqs, archive."""
    chosen = {"VOLUME_PATH": str(want.home.volume), "PORT": str(want.port)}
    linked = resolve_links(environ)
    if not linked.get("MYSQL_HOST"):
        chosen["SQLITE_PATH"] = str(want.home.database)
    if want.own_archive:
        chosen["ARCHIVE_INTERFACE_URL"] = f"http://{LOOPBACK}:{ports['archive']}/"
    if want.own_store:
        chosen["AWS_ENDPOINT_URL_S3"] = f"http://{LOOPBACK}:{ports['s3']}"
        chosen["UPLOAD_CONCURRENCY"] = str(max(1, UPLOADS // want.workers))
    if want.own_queue:
        chosen["AWS_ENDPOINT_URL_SQS"] = f"http://{LOOPBACK}:{ports['sqs']}"
    if not environ.get("AWS_REGION"):
        chosen["AWS_DEFAULT_REGION"] = REGION
    given = {name: value for name, value in environ.items() if value}
    return _loopback_without_proxy(_with_keys(chosen | given, want) | {MARK: str(want.home.root)})


def stand_in_environment(environ: Mapping[str, str], want: Wanted) -> dict[str, str]:
    """For what is not the product: the caller's environment and the mark by which leftovers are found."""
    return dict(environ) | {MARK: str(want.home.root), "PYTHONUNBUFFERED": "1"}


def _with_keys(environment: dict[str, str], want: Wanted) -> dict[str, str]:
    """The stand-ins' own access key, unless one is given or everything is elsewhere, where the caller's own count."""
    if environment.get("AWS_ACCESS_KEY_ID") or not (want.own_store or want.own_queue):
        return environment
    key, secret = want.home.keys()
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        environment.pop(name, None)
    return environment | {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}


def _loopback_without_proxy(environment: dict[str, str]) -> dict[str, str]:
    direct = f"{LOOPBACK},localhost"
    for name in ("no_proxy", "NO_PROXY"):
        environment[name] = f"{environment[name]},{direct}" if environment.get(name) else direct
    return environment | {"PYTHONUNBUFFERED": "1", "AWS_EC2_METADATA_DISABLED": "true"}


def _number(environ: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    said = environ.get(name) or str(default)
    if not said.isascii() or not said.isdigit() or not least <= int(said) <= most:
        raise InTheWay(f"{name} must be a number from {least} to {most} (it is {said!r})")
    return int(said)
