"""Serves a process's metrics to Prometheus, on an address of their own."""

from __future__ import annotations

import errno
import logging

from prometheus_client.exposition import start_http_server
from prometheus_client.registry import CollectorRegistry

#: Processes of one host may have the same address: each takes the first free one of so many ports from there on.
PORTS = 16

log = logging.getLogger(__name__)


def serve(address: str, registry: CollectorRegistry) -> int | None:
    """Serve in threads of its own, and return the port; None, and a warning, if none is free or the host is not ours.

    Metrics are no reason for a process not to work.
    """
    host, _, number = address.rpartition(":")
    first = int(number)
    for port in range(first, min(first + PORTS, 65536)):
        try:
            start_http_server(port, host.strip("[]"), registry)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            log.warning("METRICS_ADDRESS: metrics are not served, as %s cannot be listened on: %s", address, error)
            return None
        log.info("metrics are served on %s:%d", host, port)
        return port
    log.warning("METRICS_ADDRESS: metrics are not served, as the ports %d to %d are taken", first, port)
    return None
