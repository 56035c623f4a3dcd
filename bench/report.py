"""Renders the measurements as one page of Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

from bench.plan import WORKLOADS
from bench.records import FLOOR, OURS, PEER, Cost, Record
from bench.summary import Figure, Summary, Target

NONE = "–"
MB = 10**6


def report(summary: Summary, machine: Mapping[str, str], no_peer: str) -> str:
    """`machine`: the first table; `no_peer`: why the peer was not measured, empty if it was."""
    sections = [
        "# Benchmark report",
        "Medians of one run, ranges in parentheses; ratios are ratios of these medians. `docs/performance.md` explains "
        "the workloads, sides and figures.",
        _table(("machine", ""), machine.items()),
        f"No peer: {no_peer}" if no_peer else "",
        "## Targets",
        _targets(summary.targets()),
        "## Times and rates",
        _figures(summary),
        "## Components",
        _parts(summary),
        "## Cost",
        _costs(summary),
        "## Problems" if summary.problems() else "",
        "\n".join(f"- {record.workload}, {record.side}: {record.problem}" for record in summary.problems()),
        "## Workloads",
        "\n".join(f"- **{name}** {text}" for name, text in WORKLOADS.items()),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def _targets(targets: Sequence[Target]) -> str:
    words = {True: "reached", False: "**not reached**", None: "not measured"}
    rows = (
        (
            target.text,
            f"{'at most' if target.at_most else 'at least'} {target.bound:g}",
            _number(target.value),
            words[target.reached],
        )
        for target in targets
    )
    return _table(("measure", "target", "measured", ""), rows)


def _figures(summary: Summary) -> str:
    rows = []
    for workload, variant in summary.rows():
        figures = [summary.figure(workload, variant, side) for side in (OURS, PEER, FLOOR)]
        unit = next((figure.unit for figure in figures if figure), "")
        faster, floor = summary.faster_than(workload, variant, PEER), summary.of_floor(workload, variant)
        note = "; ".join({record.note for record in summary.records if _is(record, workload, variant) and record.note})
        rows.append((workload, variant, unit, *map(_cell, figures), _number(faster), _number(floor), note))
    head = ("workload", "variant", "unit", "ours", "peer", "floor", "times faster than the peer", "times the floor", "")
    return _table(head, rows)


def _parts(summary: Summary) -> str:
    rows = []
    for workload, variant in summary.rows():
        for side in (OURS, PEER, FLOOR):
            found = summary.of(workload, variant, side)
            names = dict.fromkeys(name for record in found for name in record.parts)
            medians = {name: statistics.median(record.parts.get(name, 0.0) for record in found) for name in names}
            if medians:
                parts = ", ".join(f"{name} {_number(value)}" for name, value in medians.items())
                rows.append((workload, variant, side, parts))
    return _table(("workload", "variant", "side", "components (seconds unless noted)"), rows)


def _costs(summary: Summary) -> str:
    rows = []
    for workload, variant in summary.rows():
        for side in (OURS, PEER):
            costs = [(record, record.cost) for record in summary.of(workload, variant, side) if record.cost]
            if costs:
                rows.append((workload, variant, side, *_cost_row(costs)))
    head = ("workload", "variant", "side", "CPU s by group", "peak MB of the workers: largest, all", "SQL statements")
    more = ("per file", "messages", "archive requests per file", "MB moved", "CPU share of other processes")
    return _table((*head, *more), rows)


def _cost_row(costs: Sequence[tuple[Record, Cost]]) -> tuple[str, ...]:
    def median(value: Callable[[Record, Cost], float]) -> float:
        return statistics.median(value(record, cost) for record, cost in costs)

    groups = [name for name, used in costs[0][1].reading.cpu.items() if used]
    cpu = ", ".join(f"{name} {median(lambda _r, c, n=name: c.reading.cpu.get(n, 0)):.2f}" for name in groups)  # type: ignore[misc]
    largest = max(cost.reading.largest_rss.get("workers", 0) for _, cost in costs) / MB
    together = max(cost.reading.peak_rss.get("workers", 0) for _, cost in costs) / MB
    return (
        cpu,
        f"{largest:.0f}, {together:.0f}",
        f"{median(lambda _, cost: cost.sql):.0f}",
        f"{median(lambda record, cost: cost.sql / record.files):.2f}",
        f"{median(lambda _, cost: cost.messages):.0f}",
        f"{median(lambda record, cost: cost.archive_requests / record.files):.2f}",
        f"{costs[0][0].size / MB:.0f}",
        f"{median(lambda _, cost: cost.reading.other_cpu_share):.2f}",
    )


def _is(record: Record, workload: str, variant: str) -> bool:
    return (record.workload, record.variant) == (workload, variant)


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return NONE
    spread = "" if figure.count == 1 else f" ({_number(figure.low)}–{_number(figure.high)}, {figure.count} runs)"
    return _number(figure.median) + spread


def _number(value: float | None) -> str:
    """Three significant digits."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
