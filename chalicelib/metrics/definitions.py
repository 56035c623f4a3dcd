"""All metrics of the service. docs/metrics.md has them as a table, which a test compares.

Names follow Prometheus's rules: base units, `_total` for counters. The same names are used in CloudWatch.
"""

from __future__ import annotations

from chalicelib.metrics.sample import Kind, Metric, Source

#: seconds
REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
READY_BUCKETS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 24 * 3600.0, 7 * 86400.0)


def _figure(name: str, help_text: str, *labels: str) -> Metric:
    return Metric(name, Kind.GAUGE, Source.DATABASE, help_text, labels)


def _counter(name: str, help_text: str, *labels: str) -> Metric:
    return Metric(name, Kind.COUNTER, Source.PROCESS, help_text, labels)


def _gauge(name: str, help_text: str, *labels: str) -> Metric:
    return Metric(name, Kind.GAUGE, Source.PROCESS, help_text, labels)


def _histogram(name: str, help_text: str, buckets: tuple[float, ...], *labels: str) -> Metric:
    return Metric(name, Kind.HISTOGRAM, Source.PROCESS, help_text, labels, buckets)


# Read from the database (and the queue) when they are asked for.
DATABASE_UP = _figure(
    "pacifica_cart_database_up", "1 if the database answered, 0 if not; then the other figures are missing."
)
CARTS = _figure(
    "pacifica_cart_carts", "Carts that exist for their clients, by state; at most 100,000 are counted in each.", "state"
)
OLDEST_UNFINISHED = _figure(
    "pacifica_cart_oldest_unfinished_seconds", "Age of the oldest unfinished cart; 0 if there is none."
)
NOTHING_READY = _figure(
    "pacifica_cart_nothing_ready_seconds",
    "Seconds since a cart became ready, or since the POST of the oldest unfinished one if that is less; 0 without one.",
)
JOBS = _figure(
    "pacifica_cart_jobs",
    "Jobs by kind and state: due (a worker may take it), held (a worker has it), waiting.",
    "kind",
    "state",
)
OLDEST_DUE = _figure(
    "pacifica_cart_oldest_due_job_seconds", "Seconds for which the job that is due longest could have been taken."
)
JOBS_WAITING = _figure("pacifica_cart_jobs_waiting", "Jobs that wait, by what they wait for.", "waits_for")
LONGEST_WAIT = _figure(
    "pacifica_cart_longest_wait_seconds", "The longest wait of a job, by what it waits for.", "waits_for"
)
RECALLS = _figure(
    "pacifica_cart_recalls_open", "Files recalled from tape and not yet seen online; at most 100,000 are counted."
)
SPACE_USED = _figure("pacifica_cart_space_used_bytes", "Bytes of the volume that are charged to windows and files.")
SPACE_STAGED = _figure("pacifica_cart_space_staged_bytes", "Bytes of files staged on the volume.")
SPACE_WANTED = _figure("pacifica_cart_space_wanted_bytes", "Bytes of the windows that wait for space.")
SPACE_WAIT = _figure("pacifica_cart_space_wait_seconds", "The longest wait of a window for space; 0 if none waits.")
NOTIFICATIONS = _figure("pacifica_cart_notifications_open", "Notifications neither delivered nor given up.")
WORKERS = _figure("pacifica_cart_workers", "Workers seen within the last two minutes that have not stopped.")
WORKERS_HUNG = _figure("pacifica_cart_workers_hung", "Those of them that a thread hangs in.")
PAUSED = _figure("pacifica_cart_paused", "1 while an operator has paused it.", "switch")
QUEUE_UP = _figure("pacifica_cart_queue_up", "1 if the queue answered, 0 if not; then its depths are missing.")
QUEUE_MESSAGES = _figure("pacifica_cart_queue_messages", "Messages in the job queue, visible or in flight.")
DEAD_LETTERS = _figure("pacifica_cart_dead_letters", "Messages in the dead-letter queue.")

# Counted by the process that does it.
READY = _histogram("pacifica_cart_ready_seconds", "From the POST of a cart until it is ready.", READY_BUCKETS)
WAITED = _counter(
    "pacifica_cart_waited_seconds_total", "Seconds for which jobs were deferred, by what they wait for.", "waits_for"
)
DEFERRALS = _counter("pacifica_cart_deferrals_total", "Deferrals of jobs, by what they wait for.", "waits_for")
ATTEMPTS_FAILED = _counter(
    "pacifica_cart_attempts_failed_total", "Attempts of jobs that failed, by kind of job.", "kind"
)
PULLED = _counter("pacifica_cart_pulled_bytes_total", "Bytes received from the archive.")
UPLOADED = _counter("pacifica_cart_uploaded_bytes_total", "Bytes of bundles sent to the store.")
SERVED = _counter("pacifica_cart_served_bytes_total", "Bytes of the bundles that download URLs were handed out for.")
FILES = _counter(
    "pacifica_cart_files_total",
    "Files of windows, by where they came from: volume (a cache hit) or archive (a miss).",
    "source",
)
ARCHIVE_REQUEST = _histogram(
    "pacifica_cart_archive_request_seconds",
    "Requests to the archive until their last byte, by method and outcome: ok, refused or unavailable.",
    REQUEST_BUCKETS,
    "method",
    "outcome",
)
ARCHIVE_ERRORS = _counter(
    "pacifica_cart_archive_errors_total", "Requests to the archive that it refused, or could not answer.", "outcome"
)
SWEEPS = _counter("pacifica_cart_sweeps_total", "Runs of the sweep.")
SWEEP_REPAIRS = _counter(
    "pacifica_cart_sweep_repairs_total", "What the sweep repaired or removed, by repair.", "repair"
)
SWEEP_FAILURES = _counter("pacifica_cart_sweep_failures_total", "Repairs of the sweep that failed.", "repair")
WORKER_REPAIRS = _counter(
    "pacifica_cart_worker_repairs_total", "What workers repaired, such as a corrupt staged file.", "repair"
)
LOCK_WAITS = _counter(
    "pacifica_cart_transactions_retried_total", "Database transactions retried after a deadlock or lock wait."
)
WORKER_MEMORY = _gauge("pacifica_cart_worker_memory_bytes", "Resident memory of a worker.")
WORKER_JOBS = _gauge("pacifica_cart_worker_jobs_held", "Jobs that a worker holds.")
WORKER_STEP = _gauge(
    "pacifica_cart_worker_step_seconds", "Seconds since the last step of the job that made none for longest."
)
WORKER_HUNG = _gauge("pacifica_cart_worker_hung", "1 if a thread of the worker hangs.")
SPACE_LIMIT = _gauge("pacifica_cart_space_limit_bytes", "Bytes of the volume that workers may fill.")
DISK_FREE = _gauge("pacifica_cart_disk_free_ratio", "Free part of the volume's file system, 0 to 1.")

METRICS: tuple[Metric, ...] = tuple(value for value in vars().copy().values() if isinstance(value, Metric))
