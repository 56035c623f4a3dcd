"""The dashboard and the alert rules name metrics and labels that exist, and cover what must ring."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from chalicelib.metrics.definitions import METRICS
from chalicelib.metrics.sample import Kind, Metric

INFRA = Path(__file__).parents[2] / "infra"
ALERTS = INFRA / "prometheus" / "alerts.yml"
DASHBOARD = json.loads((INFRA / "grafana" / "dashboard.json").read_text())
RULES = {rule["alert"]: rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]}
SHOWN = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
QUERIES = [*(rule["expr"] for rule in RULES.values()), *SHOWN]
#: Labels that Prometheus adds, or that a histogram has.
OF_PROMETHEUS = {"instance", "le"}


def series() -> Iterator[tuple[str, Metric]]:
    """The names that queries may use."""
    for metric in METRICS:
        if metric.kind == Kind.HISTOGRAM:
            yield from ((f"{metric.name}_{part}", metric) for part in ("bucket", "count", "sum"))
        else:
            yield metric.name, metric


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_metrics_and_labels_that_exist(query: str) -> None:
    known = dict(series())
    names = re.findall(r"pacifica_cart_\w+", query)
    assert names
    assert set(names) <= known.keys()
    labels = {label for name in names for label in known[name].labels} | OF_PROMETHEUS
    grouped = {label.strip() for found in re.findall(r"by \(([^)]*)\)", query) for label in found.split(",")}
    for name, selected in re.findall(r"(pacifica_cart_\w+)\{([^}]*)\}", query):
        assert set(re.findall(r"(\w+)=", selected)) <= set(known[name].labels)
    assert grouped <= labels


def test_the_dashboard_shows_every_metric_or_an_alert_watches_it() -> None:
    used = set(re.findall(r"pacifica_cart_\w+", " ".join(QUERIES)))
    unseen = {metric.name for metric in METRICS} - {dict(series())[name].name for name in used}
    assert unseen == {
        "pacifica_cart_paused",
        "pacifica_cart_worker_step_seconds",
        "pacifica_cart_worker_hung",
    }


def test_what_must_ring_has_a_rule() -> None:
    assert {
        "CartArchiveDown",
        "CartStoreFailing",
        "CartOldestUnfinished",
        "CartWaitingForSpace",
        "CartNothingReady",
        "CartWorkerHung",
        "CartDiskAlmostFull",
        "CartDeadLetters",
        "CartsInError",
    } <= RULES.keys()
    for rule in RULES.values():
        assert (INFRA.parent / rule["annotations"]["runbook"]).exists()


def test_panels_do_not_overlap() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_accepts_the_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
