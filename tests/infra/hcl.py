"""Reads the text of the Terraform files without Terraform."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"


def source(name: str) -> str:
    """The text of a file of infra/, without comments."""
    return re.sub(r"(^|\s)#.*$", r"\1", (INFRA / name).read_text(), flags=re.MULTILINE)


def block(text: str, opening: str) -> str:
    """The text inside the bracket that `opening` ends with. `opening` must occur exactly once."""
    (match,) = re.finditer(re.escape(opening), text)
    depth, start = 1, match.end()
    for at in range(start, len(text)):
        depth += text[at] in "{[("
        depth -= text[at] in "}])"
        if not depth:
            return text[start:at]
    raise AssertionError(f"{opening} is not closed")


def all_variables() -> str:
    """The text of all variables' files."""
    return "".join(source(path.name) for path in sorted(INFRA.glob("variables*.tf")))


def default(variable: str) -> str:
    """A variable's default, as written, without quotes."""
    body = block(all_variables(), f'variable "{variable}" {{')
    value: str
    (value,) = re.findall(r"^\s+default\s+= (.+)$", body, re.MULTILINE)
    return value.strip('"')


def variables() -> dict[str, bool]:
    """Variable -> whether it has a default."""
    text = all_variables()
    names = re.findall(r'^variable "(\w+)" \{', text, re.MULTILINE)
    return {name: bool(re.search(r"^\s+default\s+=", block(text, f'variable "{name}" {{'), re.M)) for name in names}


def routes() -> set[tuple[str, str]]:
    """Path and method of every route of the REST API."""
    lines = re.findall(r'"(/[^"]*)"\s+= \[(.*)\]', block(source("api.tf"), "routes = {"))
    return {(path, method) for path, methods in lines for method in re.findall(r"\w+", methods)}


def set_settings() -> set[str]:
    """Environment variables that the module sets."""
    text = source("settings.tf").replace(block(source("settings.tf"), "worker_secrets = {"), "")
    return set(re.findall(r"^\s+([A-Z][A-Z0-9_]+)\s+=", text, re.MULTILINE))


def allowed_settings() -> set[str]:
    """Environment variables that an operator may set with the variable `settings`."""
    return set(re.findall(r'"([A-Z][A-Z0-9_]+)"', block(source("variables.tf"), 'variable "settings" {')))


def alarms() -> set[str]:
    """The names of the alarms."""
    pattern = re.compile(r'(?:alarm_name\s+= "\$\{var\.name\}-|^\s+)([a-z0-9-]+)(?:"$|\s+= \{ of)', re.MULTILINE)
    return set(pattern.findall(source("alarms.tf")))
