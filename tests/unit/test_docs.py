"""The documents agree with the code."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

import app
from chalicelib.config.settings import Settings
from chalicelib.manifest.checks import HASH_DIGITS
from tests.unit.settings_table import READERS, expected_rows, users

DOCS = Path(__file__).parents[2] / "docs"
API = (DOCS / "api.md").read_text()
OPENAPI = json.loads((DOCS / "openapi.json").read_text())
SETTINGS = (DOCS / "settings.md").read_text()
VARIABLES = [field.metadata["env"] for field in dataclasses.fields(Settings)]
ALL_ROUTES = {(path, method) for path, methods in app.app.routes.items() for method in methods}
ROUTES = {(path, method) for path, method in ALL_ROUTES if method != "OPTIONS"}  # that has one chapter for all


@pytest.mark.parametrize("variable", VARIABLES)
def test_each_setting_has_its_row(variable: str) -> None:
    [row] = re.findall(rf"^\| `{variable}` .*\|$", SETTINGS.partition("\n## ")[0], re.M)
    described, _, reader = row.removesuffix(" |").rpartition(" | ")
    assert f"{described} |" == expected_rows()[variable]
    assert reader in READERS


def test_the_table_lists_the_settings_in_order() -> None:
    assert re.findall(r"^\| `(\w+)`", SETTINGS.partition("\n## ")[0], re.M) == VARIABLES


@pytest.mark.parametrize("variable", VARIABLES)
def test_each_setting_is_read_where_the_table_says(variable: str) -> None:
    files = users()[variable]
    assert files, f"nothing reads {variable}"
    if all(name.startswith("workers/") for name in files):
        assert re.search(rf"^\| `{variable}` .*\| workers \|$", SETTINGS, re.M)
    if {"chalicelib/db/database.py", "chalicelib/db/mysql.py"} & set(files):
        assert re.search(rf"^\| `{variable}` .*\| all \|$", SETTINGS, re.M)


def test_every_route_has_a_chapter_and_every_chapter_a_route() -> None:
    chapters = set(re.findall(r"^## (GET|HEAD|POST|DELETE) (\S+)$", API, re.M))
    assert {(path, method) for method, path in chapters} == ROUTES


def test_every_address_has_options_and_a_chapter_says_so() -> None:
    assert {path for path, method in ALL_ROUTES if method == "OPTIONS"} == {path for path, _ in ROUTES}
    assert "\n## OPTIONS\n" in API


def test_the_first_table_links_to_every_chapter() -> None:
    links = re.findall(r"^\| \[`(\w+) (\S+)`\]\(#(\S+)\)", API, re.M)
    assert {(path, method) for method, path, _ in links} == ROUTES
    for method, path, anchor in links:
        assert anchor == f"{method}-{re.sub(r'[^a-z-]', '', path)}".lower()


def test_openapi_has_every_route_and_no_other() -> None:
    calls = {(path, method) for path, item in OPENAPI["paths"].items() for method in item if method != "parameters"}
    assert {(path, method.upper()) for path, method in calls} == ALL_ROUTES


def test_openapi_says_401_of_every_call_since_any_login_must_be_valid() -> None:
    for path, method in ALL_ROUTES:
        assert "401" in OPENAPI["paths"][path][method.lower()]["responses"], (path, method)


def test_openapi_is_a_valid_description() -> None:
    for schema in OPENAPI["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(OPENAPI)):
        found: Any = OPENAPI
        for part in reference.split("/"):
            found = found[part]


@pytest.mark.parametrize("name", ["Status", "Files"])
def test_a_schema_is_the_same_in_both_documents(name: str) -> None:
    assert block(f"schema {name}") == OPENAPI["components"]["schemas"][name]


@pytest.mark.parametrize("name", ["Status", "Files", "Carts", "Readiness", "Unreadiness"])
def test_an_example_conforms_to_its_schema(name: str) -> None:
    schema = OPENAPI["components"]["schemas"][name]
    jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(block(name.lower()))


def test_all_hash_names_are_documented() -> None:
    [row] = re.findall(r"^\| `hashtype` \| (.*) \|$", API, re.M)
    assert set(re.findall(r"`(\w+)`", row)) == set(HASH_DIGITS)
    assert set(HASH_DIGITS) <= set(OPENAPI["components"]["schemas"]["Entry"]["properties"]["hashtype"]["enum"])


def test_every_response_of_openapi_is_documented() -> None:
    for path, method in ROUTES:
        chapter = re.search(rf"^## {method} {re.escape(path)}$(.*?)(?=^## |\Z)", API, re.M | re.S)
        assert chapter is not None
        text = chapter[1] + API.partition("\n## Errors")[2]
        for status in OPENAPI["paths"][path][method.lower()]["responses"]:
            assert status in text or status == "200", (method, path, status)


def test_openapi_has_the_refusals_that_come_before_every_route() -> None:
    """A wrong login, a foreign Host, and what cannot be asked about the login."""
    for path, method in ALL_ROUTES:
        answers = OPENAPI["paths"][path][method.lower()]["responses"]
        assert {"401", "421", "503"} <= set(answers), (method, path)
        if "{" in path and method != "OPTIONS":
            assert "403" in answers, (method, path)


@pytest.mark.parametrize("name", ["api.md", "settings.md"])
def test_links_between_the_documents_resolve(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (DOCS / name).read_text()):
        assert "://" in target or (DOCS / target).exists(), target


def block(info: str) -> Any:
    """The JSON in the fenced block marked `info`."""
    [found] = re.findall(rf"^```json {info}\n(.*?)^```$", API, re.M | re.S)
    return json.loads(found)
