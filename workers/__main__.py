"""`python -m workers`: one worker process. SIGTERM drains it; unfinished jobs are requeued within 8 seconds."""

from __future__ import annotations

import logging
import os
import signal
import sys

from chalicelib.config import logs
from chalicelib.config.settings import load
from chalicelib.errors import CartError
from chalicelib.start_line import log_start
from chalicelib.wiring import build
from workers.runtime.task_protection import TaskProtection
from workers.runtime.worker_name import worker_name
from workers.wiring import assemble

GRACE = 6.0  # seconds handlers have to return after SIGTERM; the other 2 s are for requeueing

log = logging.getLogger("workers")


def main() -> int:
    try:
        settings = load(os.environ, worker=True)
        logs.configure(settings.log_level, settings.log_format)
        worker = assemble(build(settings, process=worker_name()))
    except (CartError, OSError) as error:
        print(f"workers: {error}", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.consumer.stop())
    log_start(worker.system.process, settings, worker.system.database, os.environ)
    protection = TaskProtection(os.environ.get("ECS_AGENT_URI", ""), lambda: worker.consumer.is_busy)
    protection.start()
    worker.measuring.start()
    worker.notifying.start()
    worker.consumer.run()
    worker.notifying.stop()
    log.info("draining")
    clean = worker.consumer.drain(GRACE)
    worker.measuring.stop()
    protection.stop()
    worker.system.traces.close()
    log.info("stopped" if clean else "stopped; unfinished jobs were requeued")
    logging.shutdown()
    os._exit(0)  # a handler that did not return holds a thread; its writes are fenced off


if __name__ == "__main__":
    sys.exit(main())
