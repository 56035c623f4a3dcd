"""The metric filters of infra/alarms.tf, evaluated as CloudWatch evaluates their patterns."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from typing import Any

from tests.infra.hcl import block, source


def names() -> set[str]:
    """Of the filters."""
    return set(re.findall(r"^\s+([a-z-]+)\s+= \{ log", block(source("alarms.tf"), "logged = {"), re.MULTILINE))


def conditions(name: str) -> dict[str, str]:
    """Field -> the pattern that its value must have; `*` stands for any text."""
    (listed,) = re.findall(rf"^\s+{name}\s+= .*where = \{{(.*?)\}}", block(source("alarms.tf"), "logged = {"), re.M)
    found = dict(re.findall(r'(\w+) = "(.*?)"', listed))
    assert found
    return found


def matches(name: str, line: str) -> bool:
    """Whether the filter counts a line of the log."""
    try:
        fields: Any = json.loads(line)
    except ValueError:
        return False  # a pattern for JSON matches no other line
    return all(fnmatchcase(str(fields.get(field, "")), pattern) for field, pattern in conditions(name).items())
