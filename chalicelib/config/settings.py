"""Settings, read once from an environment mapping; every bad variable is named at once.

The table in docs/settings.md is made from the fields below and held to them by a test.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.config.docker_links import resolve_links
from chalicelib.config.parsers import (
    GIB,
    MIB,
    folder,
    log_level,
    part_size,
    percent,
    period,
    port,
    positive,
    seconds,
    size,
    switch,
    text,
    url,
)
from chalicelib.errors import SettingsError

LAMBDA_MAX_BODY = 4 * MIB  # an event is at most 6 MB, and base64 adds a third
SECRET = ("MYSQL_PASSWORD",)


def setting(env: str, parse: Callable[[str], Any], default: Any, doc: str) -> Any:
    """A field of Settings: its variable, the parser (raises ValueError), the default and its effect."""
    shown = env not in SECRET
    return dataclasses.field(default=default, repr=shown, metadata={"env": env, "parse": parse, "doc": doc})


@dataclass(frozen=True)
class Settings:
    """One attribute per environment variable. Sizes are bytes, times are seconds."""

    volume_path: Path | None = setting(
        "VOLUME_PATH", folder, None, "Root directory of the volume all workers share. Required by the workers."
    )
    volume_limit: int = setting(
        "VOLUME_LIMIT", size, 0, "Bytes of the volume the carts may use; 0 means what the file system reports."
    )
    volume_reserve: float = setting("VOLUME_RESERVE", percent, 5.0, "Percentage of the volume that is kept free.")
    lru_buffer_time: float = setting(
        "LRU_BUFFER_TIME", seconds, 0.0, "Seconds after its last use in which nothing is evicted."
    )
    archive_url: str = setting(
        "ARCHIVE_INTERFACE_URL", url, "http://127.0.0.1:8080/", "The archive interface: host:port/ or a URL."
    )
    archive_patience: float = setting(
        "ARCHIVE_PATIENCE",
        seconds,
        60.0,
        "Seconds a file may fail with 5xx or broken connections before its cart does.",
    )
    archive_connect_timeout: float = setting(
        "ARCHIVE_CONNECT_TIMEOUT", period, 10.0, "Seconds to wait for a connection to the archive."
    )
    archive_read_timeout: float = setting(
        "ARCHIVE_READ_TIMEOUT", period, 60.0, "Seconds to wait for the archive's next bytes."
    )
    recall_timeout: float = setting(
        "RECALL_TIMEOUT", period, 7 * 86400.0, "Seconds a file may stay on tape after its recall before its cart fails."
    )
    pull_concurrency: int = setting("PULL_CONCURRENCY", positive, 16, "Archive requests under way at once, per worker.")
    upload_concurrency: int = setting("UPLOAD_CONCURRENCY", positive, 4, "Parts under way at once, per worker.")
    job_concurrency: int = setting("JOB_CONCURRENCY", positive, 4, "Jobs a worker holds at once.")
    part_size: int = setting("PART_SIZE", part_size, 64 * MIB, "Smallest size of a part; it grows with the bundle.")
    window_size: int = setting("WINDOW_SIZE", size, GIB, "Bytes of the bundle in one window of work.")
    window_files: int = setting("WINDOW_FILES", positive, 1000, "Files in one window of work.")
    lease: float = setting(
        "LEASE", period, 30.0, "Seconds after which a silent worker's job goes to another; the queue's visibility too."
    )
    sweep_interval: float = setting("SWEEP_INTERVAL", period, 15.0, "Seconds between sweeps where no Lambda runs them.")
    mysql_host: str = setting("MYSQL_HOST", text, "", "MySQL or MariaDB server; SQLite is used when it is not set.")
    mysql_port: int = setting(
        "MYSQL_PORT", port, 3306, "Its port; `tcp://host:port`, as a container link sets it, too."
    )
    mysql_database: str = setting("MYSQL_DATABASE", text, "pacifica_cartd", "Its database.")
    mysql_user: str = setting("MYSQL_USER", text, "cartd", "Its user.")
    mysql_password: str = setting("MYSQL_PASSWORD", text, "", "The user's password.")
    mysql_secret: str = setting(
        "MYSQL_SECRET_ARN", text, "", "Secret of Secrets Manager with user and password; read again after a rotation."
    )
    mysql_ca: str = setting(
        "MYSQL_CA",
        text,
        "",
        "CA certificates, a PEM file or its text; the server must then prove itself by TLS.",
    )
    sqlite_path: Path = setting(
        "SQLITE_PATH", folder, Path("/tmp/pacifica-cartd.db"), "Database file used when MYSQL_HOST is not set."
    )
    database_logging: bool = setting("DATABASE_LOGGING", switch, False, "Set to print every Peewee query.")
    database_connect_attempts: int = setting(
        "DATABASE_CONNECT_ATTEMPTS", positive, 3, "Times a connection to the database is tried."
    )
    database_wait: float = setting("DATABASE_WAIT", seconds, 10.0, "Seconds between these tries.")
    bundle_bucket: str = setting("BUNDLE_BUCKET", text, "pacifica-cart-bundles", "The bundle store's bucket.")
    store_endpoint: str = setting(
        "AWS_ENDPOINT_URL_S3", url, "", "The store's address where it is not AWS's own; boto3 reads it too."
    )
    bundle_public_endpoint: str = setting(
        "BUNDLE_PUBLIC_ENDPOINT", url, "", "The store's address as clients see it; used only to sign."
    )
    bundle_url_life: int = setting("BUNDLE_URL_LIFE", positive, 3600, "Seconds a download's URL stays valid.")
    bundle_signing_role: str = setting(
        "BUNDLE_SIGNING_ROLE", text, "", "Role assumed to sign, so that a URL outlives a Lambda's own credentials."
    )
    bundle_ttl: float = setting(
        "BUNDLE_TTL", period, 14 * 86400.0, "Seconds after its last download in which a bundle is kept."
    )
    bundle_limit: int = setting(
        "BUNDLE_LIMIT", size, 0, "Bytes of bundles that are kept, least recently used go first; 0 means no limit."
    )
    max_manifest: int = setting("MAX_MANIFEST", size, 2 * GIB, "Bytes of an uploaded manifest, unpacked.")
    job_queue: str = setting("JOB_QUEUE", text, "pacifica-cart-jobs", "Name or URL of the SQS queue of jobs.")
    job_dead_queue: str = setting(
        "JOB_DEAD_QUEUE",
        text,
        "",
        "Name or URL of its dead-letter queue; `JOB_QUEUE` with `-dead` behind it if not set.",
    )
    cart_deadline: float = setting(
        "CART_DEADLINE", period, 14 * 86400.0, "Seconds after its POST in which a cart has to be ready, or it fails."
    )
    max_body: int = setting("MAX_BODY", size, 64 * MIB, "Largest request body; 4M by default in Lambda.")
    log_level: str = setting("LOG_LEVEL", log_level, "INFO", "DEBUG, INFO, WARNING or ERROR.")

    @property
    def visibility(self) -> int:
        """Seconds a received message stays hidden: just longer than the lease, so that the lease ends first."""
        return math.ceil(self.lease) + 1


def load(environ: Mapping[str, str], *, worker: bool = False) -> Settings:
    """Settings of `environ`; `worker` says that the volume is needed.

    Raises SettingsError naming every variable that is missing or bad. An empty variable counts as not set.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    linked = resolve_links(environ)
    for field in dataclasses.fields(Settings):
        raw = linked.get(field.metadata["env"], "")
        if not raw:
            continue
        try:
            values[field.name] = field.metadata["parse"](raw)
        except (ValueError, OverflowError) as error:
            problems.append(f"{field.metadata['env']}: {_reason(error)}{_shown(field.metadata['env'], raw)}")
    if worker and not linked.get("VOLUME_PATH"):
        problems.append("VOLUME_PATH: is required by the workers")
    problems += _contradictions(values)
    if problems:
        raise SettingsError(problems)
    if "max_body" not in values and "AWS_LAMBDA_FUNCTION_NAME" in environ:
        values["max_body"] = LAMBDA_MAX_BODY
    return Settings(**values)


def _reason(error: Exception) -> str:
    said = str(error)
    return "must be a number" if "literal" in said or "could not convert" in said else said


def _shown(env: str, raw: str) -> str:
    return "" if env in SECRET or "@" in raw else f" (it is {raw!r})"  # what has an @ may have a password before it


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    if values.get("lease", 30.0) < 2:
        return ["LEASE: must be at least 2 seconds, or no heartbeat can keep it"]
    if values.get("bundle_url_life", 1) > 7 * 86400:
        return ["BUNDLE_URL_LIFE: must be at most 604800, the longest a SigV4 signature is valid"]
    return []
