"""gunicorn configuration for the archive interface: appends one byte per request to REQUESTS_FILE.

A server hook costs the archive a few microseconds per request; its access log would cost a tenth of its time.
"""

from __future__ import annotations

import os
from typing import Any


def post_worker_init(worker: Any) -> None:
    worker.requests_file = os.open(os.environ["REQUESTS_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def post_request(worker: Any, request: Any, _environ: Any, _response: Any) -> None:
    os.write(worker.requests_file, request.method[:1].encode())
