"""docs/cost.md against the plans of both examples: the resources of an idle system and their price."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.infra import policies, terraform
from tests.infra.hcl import ROOT, default

pytestmark = [pytest.mark.timeout(1200), *terraform.MARKS]
PAGE = (ROOT / "docs/cost.md").read_text()
MONTH = 730  # hours
CPU, MEMORY = 0.04048, 0.004445  # Fargate, per hour
DATABASE = {"db.t4g.micro": 0.016, "db.m7g.large": 0.17}
DISK, ENDPOINT, NAT, ADDRESS, TRANSIT = 0.115, 0.01, 0.045, 0.005, 0.05
ALARM, METRIC, LOGS = 0.10, 0.30, 0.50
AUTOSCALING = 2  # alarms of a target tracking policy; each evaluates all its metrics


def test_the_prices_are_those_of_the_page() -> None:
    section = PAGE.partition("## Prices")[2].partition("## Idle")[0]
    prices = [CPU, MEMORY, *DATABASE.values(), DISK, ENDPOINT, NAT, ADDRESS, TRANSIT, ALARM, METRIC, LOGS]
    assert [price for price in prices if not re.search(rf"\b{price}0?\b", section)] == []


@pytest.mark.parametrize(("example", "column"), [("small", 0), ("large", 1)])
def test_idle_costs_what_the_page_says(plans: dict[str, Any], example: str, column: int) -> None:
    rows = {row[0]: row[1:][column] for row in table("## Idle")}
    priced = idle(plans[example])
    for item, dollars in priced.items():
        (documented,) = [value for label, value in rows.items() if label.startswith(item)]
        assert documented == pytest.approx(dollars, abs=0.01), item
    items, total = list(rows.values()), list(rows).index("**idle, volume empty**")
    assert sum(items[:total]) == pytest.approx(items[total])
    assert sum(items[total:-1]) == pytest.approx(items[-1])


def test_the_small_example_states_its_cost() -> None:
    (stated,) = re.findall(r"about (\d+) dollars", (ROOT / "infra/examples/small/main.tf").read_text())
    (row,) = [row for row in table("## Idle") if row[0] == "**idle, volume empty**"]
    assert float(stated) == pytest.approx(row[1], abs=1)


def idle(plan: dict[str, Any]) -> dict[str, float]:
    """Dollars per month, by the prefix of the row in docs/cost.md."""
    planned = list(policies.resources(plan["planned_values"]["root_module"]))
    by_type: dict[str, list[Any]] = {}
    for resource in planned:
        by_type.setdefault(resource["type"], []).append(resource["values"])
    (task,) = [t for t in by_type["aws_ecs_task_definition"] if t["family"].endswith("workers")]
    worker = int(task["cpu"]) / 1024 * CPU + int(task["memory"]) / 1024 * MEMORY
    (database,) = by_type["aws_db_instance"]
    one_database = DATABASE[database["instance_class"]] * MONTH + database["allocated_storage"] * DISK
    gateways = len(by_type.get("aws_nat_gateway", [])) * (NAT + ADDRESS)
    gateways += len(by_type.get("aws_ec2_transit_gateway_vpc_attachment", [])) * TRANSIT
    log_metrics = {f["metric_transformation"][0]["name"] for f in by_type["aws_cloudwatch_log_metric_filter"]}
    return {
        "workers": by_type["aws_ecs_service"][0]["desired_count"] * worker * MONTH,
        "database": one_database * (2 if database["multi_az"] else 1),
        "endpoints": zones_of_endpoints(plan) * ENDPOINT * MONTH,
        "way out": gateways * MONTH,
        "alarms": alarm_metrics(by_type) * ALARM + len(log_metrics) * METRIC + LOGS,
    }


def zones_of_endpoints(plan: dict[str, Any]) -> int:
    """For each interface endpoint its zones: all, or those of the workers; a plan does not know the subnets' ids."""
    zones = int(argument(plan, "zones"))
    of_workers = 1 if argument(plan, "volume_one_zone") in (True, "true") else zones
    planned = policies.resources(plan["planned_values"]["root_module"])
    names = [r["index"] for r in planned if r["type"] == "aws_vpc_endpoint" and r["name"] == "interface"]
    return sum(zones if name in ("secretsmanager", "sqs", "sts") else of_workers for name in names)


def alarm_metrics(by_type: dict[str, list[Any]]) -> int:
    """The number of metrics that alarms evaluate: one each, or all those of an expression."""
    alarms = sum(max(1, metrics(alarm["metric_query"])) for alarm in by_type["aws_cloudwatch_metric_alarm"])
    for policy in by_type.get("aws_appautoscaling_policy", []):
        (tracked,) = policy["target_tracking_scaling_policy_configuration"]
        (specified,) = tracked["customized_metric_specification"]
        alarms += AUTOSCALING * sum(bool(metric["metric_stat"]) for metric in specified["metrics"])
    return alarms


def metrics(queries: list[Any]) -> int:
    return sum(bool(query["metric"]) for query in queries)


def argument(plan: dict[str, Any], variable: str) -> str:
    """The value an example gives to a variable, or the variable's default."""
    expression = plan["configuration"]["root_module"]["module_calls"]["cart"]["expressions"].get(variable, {})
    return json.dumps(expression["constant_value"]) if "constant_value" in expression else default(variable)


def table(heading: str) -> list[tuple[str, float, float]]:
    """Label and both figures of each row in the section's table."""
    text = PAGE.partition(f"{heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| \**([\d.,]+)\** \| \**([\d.,]+)\** \|$", text, re.MULTILINE)
    return [(label, float(small.replace(",", "")), float(large.replace(",", ""))) for label, small, large in rows]
