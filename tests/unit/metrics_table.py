"""The tables of docs/metrics.md, from the definitions. `python -m tests.unit.metrics_table` writes them there."""

from __future__ import annotations

from pathlib import Path

from chalicelib.metrics.definitions import METRICS
from chalicelib.metrics.sample import Kind, Metric, Source

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def table(source: Source) -> str:
    rows = ["| metric | kind | labels | unit in CloudWatch | what it is |", "|---|---|---|---|---|"]
    return "\n".join([*rows, *(_row(metric) for metric in METRICS if metric.source == source)]) + "\n"


def written(page: str) -> str:
    """The page with both tables written again."""
    for source in Source:
        begin, end = f"<!-- table of {source} -->\n", f"<!-- end of {source} -->\n"
        before, _, rest = page.partition(begin)
        page = before + begin + table(source) + end + rest.partition(end)[2]
    return page


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    unit = metric.unit if metric.kind != Kind.HISTOGRAM else f"{metric.unit} (values of the minute)"
    return f"| `{metric.name}` | {metric.kind} | {labels} | {unit} | {metric.help} |"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
