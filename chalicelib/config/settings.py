"""Settings, read once from an environment mapping; one error names every bad variable.

A test compares the table in docs/settings.md with the fields below.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.config.access_settings import AccessSettings
from chalicelib.config.docker_links import resolve_links
from chalicelib.config.notify_parsers import missing
from chalicelib.config.operating_settings import OperatingSettings
from chalicelib.config.parsers import (
    GIB,
    MIB,
    TIB,
    days,
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
from chalicelib.config.secret_files import read_secret_files
from chalicelib.config.setting_field import SECRET, setting, shown
from chalicelib.errors import SettingsError

DATABASE_QUEUE = "database"
LAMBDA_MAX_BODY = 4 * MIB  # an event has at most 6 MB, and base64 adds a third


@dataclass(frozen=True)
class Settings(OperatingSettings, AccessSettings):
    """One attribute per environment variable. Sizes are bytes, times are seconds."""

    volume_path: Path | None = setting(
        "VOLUME_PATH", folder, None, "Root directory of the volume that all workers share. Workers require it."
    )
    volume_limit: int = setting(
        "VOLUME_LIMIT", size, 0, "Bytes of the volume the workers may fill; 0 means the size its file system reports."
    )
    volume_reserve: float = setting("VOLUME_RESERVE", percent, 5.0, "Percentage of the volume kept free.")
    lru_buffer_time: float = setting(
        "LRU_BUFFER_TIME",
        seconds,
        0.0,
        "Seconds after its last use in which a staged file is not evicted and a bundle does not expire.",
    )
    archive_url: str = setting(
        "ARCHIVE_INTERFACE_URL", url, "http://127.0.0.1:8080/", "Address of the archive interface: host:port/ or a URL."
    )
    archive_patience: float = setting(
        "ARCHIVE_PATIENCE",
        seconds,
        60.0,
        "Seconds a file may fail with 5xx or broken connections before its cart fails.",
    )
    archive_connect_timeout: float = setting(
        "ARCHIVE_CONNECT_TIMEOUT", period, 10.0, "Timeout of connecting to the archive, in seconds."
    )
    archive_read_timeout: float = setting(
        "ARCHIVE_READ_TIMEOUT",
        period,
        60.0,
        "Timeout of waiting for the archive's next bytes, and for the whole head of an answer, in seconds.",
    )
    archive_min_rate: int = setting(
        "ARCHIVE_MIN_RATE",
        size,
        1024,
        "Least average speed of a pull after ARCHIVE_READ_TIMEOUT, in bytes a second; 0 means none.",
    )
    recall_timeout: float = setting(
        "RECALL_TIMEOUT", period, 7 * 86400.0, "Seconds a file may stay on tape after its recall before its cart fails."
    )
    pull_concurrency: int = setting("PULL_CONCURRENCY", positive, 16, "Concurrent archive requests per worker.")
    upload_concurrency: int = setting("UPLOAD_CONCURRENCY", positive, 4, "Concurrent part uploads per worker.")
    job_concurrency: int = setting(
        "JOB_CONCURRENCY", positive, 4, "Jobs a worker runs at once; one of them only for small carts, unless it is 1."
    )
    part_size: int = setting(
        "PART_SIZE", part_size, 64 * MIB, "Smallest part size in bytes; large bundles have larger parts."
    )
    window_size: int = setting("WINDOW_SIZE", size, GIB, "Bytes of the bundle in one window.")
    window_files: int = setting("WINDOW_FILES", positive, 1000, "Most files in one window.")
    lease: float = setting(
        "LEASE",
        period,
        30.0,
        "Seconds after which a silent worker loses its job; the visibility timeout of messages follows from it.",
    )
    sweep_interval: float = setting(
        "SWEEP_INTERVAL", period, 15.0, "Seconds between sweeps of `python -m chalicelib.sweeper`."
    )
    mysql_host: str = setting("MYSQL_HOST", text, "", "MySQL or MariaDB server; if it is not set, SQLite is used.")
    mysql_port: int = setting(
        "MYSQL_PORT", port, 3306, "Port of that server; a container link's `tcp://host:port` is also accepted."
    )
    mysql_database: str = setting("MYSQL_DATABASE", text, "pacifica_cartd", "Name of the database.")
    mysql_user: str = setting("MYSQL_USER", text, "cartd", "User of the database.")
    mysql_password: str = setting("MYSQL_PASSWORD", text, "", "Password of that user.")
    mysql_secret: str = setting(
        "MYSQL_SECRET_ARN", text, "", "Secret in Secrets Manager with user and password; read again after a rotation."
    )
    mysql_ca: str = setting(
        "MYSQL_CA",
        text,
        "",
        "CA certificates, as a PEM file or its text, to verify the server by TLS.",
    )
    sqlite_path: Path = setting(
        "SQLITE_PATH", folder, Path("/tmp/pacifica-cartd.db"), "Database file, used if `MYSQL_HOST` is not set."
    )
    database_logging: bool = setting("DATABASE_LOGGING", switch, False, "If set, every Peewee query is logged.")
    database_connect_attempts: int = setting(
        "DATABASE_CONNECT_ATTEMPTS", positive, 3, "How often to try to connect to the database."
    )
    database_wait: float = setting("DATABASE_WAIT", seconds, 10.0, "Seconds between these tries.")
    bundle_bucket: str = setting("BUNDLE_BUCKET", text, "pacifica-cart-bundles", "Bucket of the bundle store.")
    store_endpoint: str = setting(
        "AWS_ENDPOINT_URL_S3", url, "", "Address of the store if it is not AWS's own; boto3 also reads it."
    )
    bundle_public_endpoint: str = setting(
        "BUNDLE_PUBLIC_ENDPOINT",
        url,
        "",
        "Address of the store in signed URLs, if clients reach it at another address.",
    )
    bundle_url_life: int = setting(
        "BUNDLE_URL_LIFE",
        positive,
        3600,
        "Seconds a download URL is valid; with `BUNDLE_SIGNING_ROLE`, sometimes only half an hour if it is more.",
    )
    bundle_signing_role: str = setting(
        "BUNDLE_SIGNING_ROLE", text, "", "Role to assume for signing, so that URLs outlive a Lambda's own credentials."
    )
    bundle_ttl: float = setting("BUNDLE_TTL", period, 14 * 86400.0, "Seconds a bundle is kept after its last download.")
    bundle_limit: int = setting(
        "BUNDLE_LIMIT",
        size,
        0,
        "Bytes of all bundles kept; beyond them, the least recently used expire. 0 means no limit.",
    )
    max_manifest: int = setting(
        "MAX_MANIFEST", size, 2 * GIB, "Largest uploaded manifest, in bytes, also after decompression."
    )
    max_entries: int = setting("MAX_ENTRIES", positive, 1_000_000, "Most files in one cart, and most directories.")
    max_bundle: int = setting("MAX_BUNDLE", size, 45 * TIB, "Largest bundle in bytes; S3 holds at most 50 TB.")
    error_ttl: float = setting(
        "ERROR_TTL", period, 7 * 86400.0, "Seconds the entries of a failed cart are kept, for `/files`."
    )
    history_days: float = setting(
        "HISTORY_DAYS",
        days,
        90.0,
        "Days the row of a cart is kept after it was deleted, replaced, failed or expired.",
    )
    job_queue: str = setting(
        "JOB_QUEUE", text, "pacifica-cart-jobs", "Name or URL of the SQS queue; `database`: the jobs table, no SQS."
    )
    job_dead_queue: str = setting(
        "JOB_DEAD_QUEUE",
        text,
        "",
        "Name or URL of its dead-letter queue; the default is `JOB_QUEUE` with the suffix `-dead`.",
    )
    cart_deadline: float = setting(
        "CART_DEADLINE", period, 14 * 86400.0, "Seconds after its POST after which an unfinished cart fails."
    )
    max_body: int = setting("MAX_BODY", size, 64 * MIB, "Largest request body in bytes; in Lambda, the default is 4M.")
    log_level: str = setting(
        "LOG_LEVEL", log_level, "INFO", "DEBUG, INFO, WARNING or ERROR; commands log only warnings, unless it is set."
    )

    @property
    def queue_is_database(self) -> bool:
        """Whether workers take jobs from the jobs table, without messages."""
        return self.job_queue == DATABASE_QUEUE

    @property
    def visibility(self) -> int:
        """Seconds a received message stays hidden: slightly longer than the lease, so that the lease expires first."""
        return math.ceil(self.lease) + 1

    def __repr__(self) -> str:
        return shown(self)


def load(environ: Mapping[str, str], *, worker: bool = False) -> Settings:
    """Settings from `environ`; an empty variable counts as not set. `worker`: VOLUME_PATH is required.

    Raises SettingsError, which names every missing or bad variable.
    """
    values: dict[str, Any] = {}
    given, problems = read_secret_files(environ, SECRET)
    linked = resolve_links(given)
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
    problems += _contradictions(values) + (missing(values) if worker else [])
    if problems:
        raise SettingsError(problems)
    if "max_body" not in values and "lambda_function" in values:
        values["max_body"] = LAMBDA_MAX_BODY
    return Settings(**values)


def _reason(error: Exception) -> str:
    reason = str(error)
    return "must be a number" if "literal" in reason or "could not convert" in reason else reason


def _shown(env: str, raw: str) -> str:
    return "" if env in SECRET or "@" in raw else f" (it is {raw!r})"  # a URL with an @ may contain a password


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    if values.get("lease", 30.0) < 2:
        return ["LEASE: must be at least 2 seconds, for heartbeats to keep it"]
    if values.get("bundle_url_life", 1) > 7 * 86400:
        return ["BUNDLE_URL_LIFE: must be at most 604800, the longest life of a SigV4 signature"]
    if values.get("policy_url") and values.get("policy_file"):
        return ["POLICY_FILE: POLICY_URL is set too; only one of them can say who may read which files"]
    if values.get("archive_client_key") and not values.get("archive_client_cert"):
        return ["ARCHIVE_CLIENT_KEY: needs ARCHIVE_CLIENT_CERT"]
    return []
