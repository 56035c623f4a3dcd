"""docs/cost.md against the plans of both examples: what is made while nobody asks for a cart, and what that costs."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.infra import policies, terraform
from tests.infra.hcl import ROOT, default

pytestmark = [pytest.mark.timeout(1200), *terraform.NEEDED]
PAGE = (ROOT / "docs/cost.md").read_text()
MONTH = 730  # hours
CPU, MEMORY = 0.04048, 0.004445  # Fargate, an hour
DATABASE = {"db.t4g.micro": 0.016, "db.m7g.large": 0.17}
DISK, ENDPOINT, NAT, ADDRESS, TRANSIT = 0.115, 0.01, 0.045, 0.005, 0.05
ALARM, METRIC, LOGS = 0.10, 0.30, 0.50
AUTOSCALING = 2  # alarms of one target tracking policy, each on all its metrics


def test_the_prices_are_those_of_the_page() -> None:
    told = PAGE.partition("## Prices")[2].partition("## Idle")[0]
    prices = [CPU, MEMORY, *DATABASE.values(), DISK, ENDPOINT, NAT, ADDRESS, TRANSIT, ALARM, METRIC, LOGS]
    assert [price for price in prices if not re.search(rf"\b{price}0?\b", told)] == []


@pytest.mark.parametrize(("example", "column"), [("small", 0), ("large", 1)])
def test_idle_costs_what_the_page_says(plans: dict[str, Any], example: str, column: int) -> None:
    rows = {row[0]: row[1:][column] for row in table("## Idle")}
    priced = idle(plans[example])
    for item, dollars in priced.items():
        (told,) = [value for label, value in rows.items() if label.startswith(item)]
        assert told == pytest.approx(dollars, abs=0.01), item
    items, total = list(rows.values()), list(rows).index("**idle, volume empty**")
    assert sum(items[:total]) == pytest.approx(items[total])
    assert sum(items[total:-1]) == pytest.approx(items[-1])


def test_the_small_example_says_what_it_costs() -> None:
    (said,) = re.findall(r"about (\d+) dollars", (ROOT / "infra/examples/small/main.tf").read_text())
    (row,) = [row for row in table("## Idle") if row[0] == "**idle, volume empty**"]
    assert float(said) == pytest.approx(row[1], abs=1)


def idle(plan: dict[str, Any]) -> dict[str, float]:
    """Dollars a month by the beginning of the row that tells them."""
    planned = list(policies.resources(plan["planned_values"]["root_module"]))
    made: dict[str, list[Any]] = {}
    for resource in planned:
        made.setdefault(resource["type"], []).append(resource["values"])
    (task,) = [t for t in made["aws_ecs_task_definition"] if t["family"].endswith("workers")]
    worker = int(task["cpu"]) / 1024 * CPU + int(task["memory"]) / 1024 * MEMORY
    (database,) = made["aws_db_instance"]
    machine = DATABASE[database["instance_class"]] * MONTH + database["allocated_storage"] * DISK
    doors = [e for e in made["aws_vpc_endpoint"] if e["vpc_endpoint_type"] == "Interface"]
    ways = len(made.get("aws_nat_gateway", [])) * (NAT + ADDRESS)
    ways += len(made.get("aws_ec2_transit_gateway_vpc_attachment", [])) * TRANSIT
    counted = {f["metric_transformation"][0]["name"] for f in made["aws_cloudwatch_log_metric_filter"]}
    return {
        "workers": made["aws_ecs_service"][0]["desired_count"] * worker * MONTH,
        "database": machine * (2 if database["multi_az"] else 1),
        "endpoints": len(doors) * int(said(plan, "endpoint_zones")) * ENDPOINT * MONTH,
        "way out": ways * MONTH,
        "alarms": looked_at(made) * ALARM + len(counted) * METRIC + LOGS,
    }


def looked_at(made: dict[str, list[Any]]) -> int:
    """Metrics that alarms look at: one, or all of an expression."""
    alarms = sum(max(1, metrics(alarm["metric_query"])) for alarm in made["aws_cloudwatch_metric_alarm"])
    for policy in made.get("aws_appautoscaling_policy", []):
        (tracked,) = policy["target_tracking_scaling_policy_configuration"]
        (specified,) = tracked["customized_metric_specification"]
        alarms += AUTOSCALING * sum(bool(metric["metric_stat"]) for metric in specified["metrics"])
    return alarms


def metrics(queries: list[Any]) -> int:
    return sum(bool(query["metric"]) for query in queries)


def said(plan: dict[str, Any], variable: str) -> str:
    """What an example says of a variable, or the module."""
    given = plan["configuration"]["root_module"]["module_calls"]["cart"]["expressions"].get(variable, {})
    return json.dumps(given["constant_value"]) if "constant_value" in given else default(variable)


def table(heading: str) -> list[tuple[str, float, float]]:
    """Label and both figures of each row of the first table below a heading."""
    text = PAGE.partition(f"{heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| \**([\d.,]+)\** \| \**([\d.,]+)\** \|$", text, re.MULTILINE)
    return [(label, float(small.replace(",", "")), float(large.replace(",", ""))) for label, small, large in rows]
