"""The settings of operating the service: what it logs, what it measures, whom it tells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chalicelib.config.access_parsers import hosts
from chalicelib.config.notify_parsers import event_bus, public_url, sender, signing_key, smtp_url, topic
from chalicelib.config.parsers import address, count, folder, log_format, period, switch, text, url
from chalicelib.config.setting_field import setting


@dataclass(frozen=True)
class OperatingSettings:
    """Part of Settings."""

    migrate: bool = setting(
        "MIGRATE",
        switch,
        True,
        "If set, processes migrate the tables when they start; otherwise they wait for `dbsync`.",
    )
    log_format: str = setting("LOG_FORMAT", log_format, "text", "Lines of the log: `text`, or `json` for programs.")

    metrics_address: str = setting(
        "METRICS_ADDRESS", address, "", "host:port where Prometheus reads this process's metrics; by default nowhere."
    )
    metrics_emf: bool = setting("METRICS_EMF", switch, False, "If set, metrics are lines of the log for CloudWatch.")
    metrics_namespace: str = setting(
        "METRICS_NAMESPACE", text, "pacifica-cart", "CloudWatch namespace of these metrics."
    )
    otlp_endpoint: str = setting(
        "OTLP_ENDPOINT", url, "", "Collector that takes a trace of each cart, by OTLP over HTTP; none by default."
    )
    job_wake_dir: Path | None = setting(
        "JOB_WAKE_DIR",
        folder,
        None,
        "Where idle workers are woken, with `JOB_QUEUE=database`; by default a directory named after the database.",
    )
    liveness_file: Path | None = setting(
        "LIVENESS_FILE", folder, None, "File that a worker touches while none of its threads hangs; none by default."
    )
    hung_after: float = setting(
        "HUNG_AFTER", period, 900.0, "Seconds after which a job that makes no step counts as hung."
    )
    revision: str = setting("CART_REVISION", text, "unknown", "Revision of the code, for the log; the images set it.")
    public_url: str = setting("PUBLIC_URL", public_url, "", "Address of the API that clients use, for notifications.")
    notify_signing_key: str = setting(
        "NOTIFY_SIGNING_KEY", signing_key, "", "Key that signs webhooks: `whsk_` and base64 of an ed25519 private key."
    )
    notify_allowed_hosts: tuple[str, ...] = setting(
        "NOTIFY_ALLOWED_HOSTS",
        hosts,
        (),
        "Hosts that webhooks may call wherever they are, and by http, separated by commas.",
    )
    notify_topic: str = setting("NOTIFY_TOPIC_ARN", topic, "", "SNS topic that is told of every cart.")
    notify_bus: str = setting("NOTIFY_EVENT_BUS", event_bus, "", "EventBridge event bus that is told of every cart.")
    smtp_url: str = setting(
        "SMTP_URL", smtp_url, "", "Mail server: `smtps://user:password@host:465`, or `smtp://host:587` with STARTTLS."
    )
    notify_mail_from: str = setting(
        "NOTIFY_MAIL_FROM", sender, "", "Sender of mail; if it is not set, no cart may ask for mail."
    )
    notify_mail_domains: tuple[str, ...] = setting(
        "NOTIFY_MAIL_DOMAINS", hosts, (), "Domains that any cart may ask to send mail to, separated by commas."
    )
    limit_webhooks: int = setting(
        "LIMIT_WEBHOOKS", count, 1000, "Notifications of one owner that are not delivered yet; 0 means no limit."
    )
