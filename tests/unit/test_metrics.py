"""Metrics: defined once, counted cheaply, and written as Prometheus and CloudWatch read them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chalicelib.metrics import definitions as metrics
from chalicelib.metrics import exposition, server
from chalicelib.metrics.cached import Cached
from chalicelib.metrics.counting import Counts
from chalicelib.metrics.definitions import METRICS
from chalicelib.metrics.emf import EmfWriter, lines
from chalicelib.metrics.sample import Kind, Sample
from tests.unit import metrics_table

NAME = re.compile(r"pacifica_cart_[a-z_]+")


class Written:
    """An EMF writer, and the lines it wrote, as JSON."""

    def __init__(self) -> None:
        self.counts, self.lines = Counts(), list[str]()
        self._writer = EmfWriter("test", self.counts, lambda: 1000.5, self.lines.append)

    def run(self, *samples: Sample) -> list[dict[str, object]]:
        self.lines.clear()
        self._writer.run(samples)
        return [json.loads(line) for line in self.lines]


def test_names_follow_the_rules_of_prometheus() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert NAME.fullmatch(metric.name)
        assert metric.name.endswith("_total") == (metric.kind == Kind.COUNTER)
        assert bool(metric.buckets) == (metric.kind == Kind.HISTOGRAM)


def test_the_page_has_the_table_of_the_definitions() -> None:
    page = metrics_table.PAGE.read_text()
    assert metrics_table.written(page) == page, "run `python -m tests.unit.metrics_table`"


def test_what_is_counted_is_shown_to_prometheus() -> None:
    counts = Counts()
    counts.add(metrics.PULLED, by=5)
    counts.add(metrics.PULLED, by=7)
    for seconds in (0.004, 0.02, 400):
        counts.observe(metrics.ARCHIVE_REQUEST, seconds, "GET", "ok")
    gauge = Sample(metrics.CARTS, 3, ("ready",))
    text = exposition.text(exposition.registry(counts, lambda: [gauge]))
    families = text_string_to_metric_families(text)
    found = {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}
    assert found["pacifica_cart_pulled_bytes_total",] == 12
    assert found["pacifica_cart_uploaded_bytes_total",] == 0, "so that its first bytes are an increase"
    assert found["pacifica_cart_carts", ("state", "ready")] == 3
    bucket, labels = "pacifica_cart_archive_request_seconds_bucket", (("method", "GET"), ("outcome", "ok"))
    cumulated = {le: found[(bucket, ("le", le), *labels)] for le in ("0.005", "0.025", "300.0", "+Inf")}
    assert cumulated == {"0.005": 1, "0.025": 2, "300.0": 2, "+Inf": 3}
    assert found[("pacifica_cart_archive_request_seconds_sum", *labels)] == 400.024


def test_a_line_for_cloudwatch_is_as_its_specification_says() -> None:
    written = Written()
    written.counts.add(metrics.PULLED, by=5)
    written.counts.add(metrics.ARCHIVE_ERRORS, "refused")
    written.counts.observe(metrics.READY, 2.5)
    found = written.run(Sample(metrics.OLDEST_UNFINISHED, 7))
    assert {tuple(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0]) for line in found} == {(), ("outcome",)}  # type: ignore[index]
    for line in found:
        _check_emf(line)
    plain = next(line for line in found if "outcome" not in line)
    assert plain["pacifica_cart_pulled_bytes_total"] == 5
    assert plain["pacifica_cart_ready_seconds"] == [2.5]
    assert plain["pacifica_cart_oldest_unfinished_seconds"] == 7


def test_cloudwatch_gets_what_was_added_since_the_last_line() -> None:
    written = Written()
    written.counts.add(metrics.PULLED, by=5)
    written.counts.observe(metrics.READY, 2.5)
    written.run(Sample(metrics.WORKER_REPAIRS, 4, ("file",)))
    assert written.run(Sample(metrics.WORKER_REPAIRS, 4, ("file",))) == [], "nothing was added"
    written.counts.add(metrics.PULLED, by=2)
    [line] = written.run()
    assert line["pacifica_cart_pulled_bytes_total"] == 2


def test_no_line_has_more_metrics_than_cloudwatch_takes() -> None:
    values = [((metrics.PULLED, ()), 1.0)] * 150
    sizes = [len(json.loads(line)["_aws"]["CloudWatchMetrics"][0]["Metrics"]) for line in lines("test", 0, values)]
    assert sizes == [100, 50]


def test_processes_of_one_host_take_the_next_free_port() -> None:
    registry = exposition.registry(Counts(), lambda: [Sample(metrics.DATABASE_UP, 1)])
    first = server.serve("127.0.0.1:19408", registry)
    second = server.serve("127.0.0.1:19408", registry)
    assert first is not None
    assert second is not None
    assert second > first
    with urllib.request.urlopen(f"http://127.0.0.1:{second}/-/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert b"pacifica_cart_database_up 1.0" in answer.read()


def test_an_address_that_is_not_of_this_host_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert server.serve("192.0.2.1:9108", exposition.registry(Counts())) is None
    [record] = caplog.records
    assert "192.0.2.1:9108 cannot be listened on" in record.getMessage()


def test_a_value_is_computed_once_in_a_while() -> None:
    now, computed = [0.0], list[float]()

    def compute() -> float:
        computed.append(now[0])
        return now[0]

    cached = Cached(compute, 5, clock=lambda: now[0])
    assert [cached(), cached()] == [0.0, 0.0]
    now[0] = 5.1
    assert cached() == 5.1
    assert computed == [0.0, 5.1]


def test_a_value_that_takes_long_is_kept_all_the_same() -> None:
    now, computed = [0.0], list[float]()

    def compute() -> float:
        now[0] += 7
        computed.append(now[0])
        return now[0]

    cached = Cached(compute, 5, clock=lambda: now[0])
    assert [cached(), cached()] == [7.0, 7.0]


def test_nobody_waits_for_a_value_while_there_is_an_old_one() -> None:
    now, go_on, computing = [0.0], threading.Event(), threading.Event()

    def compute() -> float:
        if now[0]:
            computing.set()
            go_on.wait(30)
        return now[0]

    cached = Cached(compute, 5, clock=lambda: now[0])
    cached()
    now[0] = 6.0
    with ThreadPoolExecutor(1) as pool:
        new = pool.submit(cached)
        assert computing.wait(30)
        assert cached() == 0.0
        go_on.set()
        assert new.result(30) == 6.0


def test_the_api_starts_without_prometheus_client() -> None:
    """It takes 25 ms of a Lambda's cold start."""
    code = "import app, sys; print([name for name in sys.modules if name.startswith('prometheus_client')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def _check_emf(line: dict[str, object]) -> None:
    """By the specification: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring (embedded metric format)."""
    metadata = line["_aws"]
    assert isinstance(metadata, dict)
    assert set(metadata) == {"Timestamp", "CloudWatchMetrics"}
    assert metadata["Timestamp"] == 1000500, "milliseconds"
    for directive in metadata["CloudWatchMetrics"]:
        assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
        assert all(isinstance(line[name], str) for dimensions in directive["Dimensions"] for name in dimensions)
        for metric in directive["Metrics"]:
            assert set(metric) == {"Name", "Unit"}
            value = line[metric["Name"]]
            assert isinstance(value, int | float) or (isinstance(value, list) and 0 < len(value) <= 100)
