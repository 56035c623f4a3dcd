"""What a Lambda imports before it can answer: `python -m bench.cold_import` prints CPU milliseconds as JSON.

Each measurement is a new interpreter, whose own start is taken off; the bytecode is compiled beforehand.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys

from infra.local.process import ROOT

TIMES = 7
CODE = {"nothing": "pass", "app": "import app", "boto3": "import boto3", "peewee and PyMySQL": "import peewee, pymysql"}


def cold_import() -> dict[str, float]:
    """CPU milliseconds by what is imported: medians."""
    used = {name: statistics.median(_cpu(code) for _ in range(TIMES)) for name, code in CODE.items()}
    nothing = used.pop("nothing")
    return {name: 1000 * (seconds - nothing) for name, seconds in used.items()}


def _cpu(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    print(json.dumps(cold_import()))
