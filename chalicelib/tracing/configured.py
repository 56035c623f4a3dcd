"""Builds what the settings say of traces."""

from __future__ import annotations

from multiprocessing.util import Finalize

from chalicelib.config.settings import Settings
from chalicelib.errors import SettingsError
from chalicelib.tracing.traces import Traces


def traces_of(settings: Settings, process: str) -> Traces:
    """`process`: the name of this process. Raises SettingsError if there is a collector, but not what sends to it.

    A function of Lambda sends none: it stands still between two requests, so each would have to wait for the collector.
    """
    if not settings.otlp_endpoint or settings.lambda_function:
        return Traces()
    try:
        from chalicelib.tracing.collector import Collector  # late: off, OpenTelemetry need not be there, nor costs time
    except ModuleNotFoundError as error:
        missing = f"OTLP_ENDPOINT: Python has no {error.name}; run pip install -r requirements-tracing.txt"
        raise SettingsError([missing]) from error
    collector = Collector(settings.otlp_endpoint, process, settings.revision)
    Finalize(None, collector.close, exitpriority=0)  # as atexit, which Granian's processes leave out
    return Traces(collector.add, collector.close)
