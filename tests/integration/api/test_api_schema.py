"""The API conforms to docs/openapi.json, and no request generated from it causes a server error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from chalicelib.api.wsgi_adapter import Application
from tests.integration.api.conftest import Carter
from tests.integration.api.transports import Transport

OPENAPI = json.loads((Path(__file__).parents[3] / "docs/openapi.json").read_text())
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = [(path, method) for path, calls in OPENAPI["paths"].items() for method in calls if method != "parameters"]
STATES = ("waiting", "staging", "bundling", "ready", "error")


def validate(name: str, document: Any) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": OPENAPI["components"]}
    jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(document)


@pytest.mark.parametrize("state", STATES)
def test_status_conforms_to_its_schema(over_http: Transport, carts: Carter, state: str) -> None:
    validate("Status", over_http("GET", f"/{getattr(carts, state)()}/status").json())


@pytest.mark.parametrize("state", STATES)
def test_files_conform_to_their_schema(over_http: Transport, carts: Carter, state: str) -> None:
    validate("Files", over_http("GET", f"/{getattr(carts, state)()}/files").json())


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_generated_requests_never_cause_a_server_error(
    application: Application, carts: Carter, path: str, method: str
) -> None:
    """Valid and invalid data, sometimes for an existing cart."""
    loaded = schemathesis.openapi.from_dict(OPENAPI | {"security": []})  # a generated login would be 401 each time
    loaded.app = application
    operation = loaded[path][method.upper()]
    existing = st.sampled_from([None, carts.waiting(), carts.ready(), carts.bundling()])
    modes = [*schemathesis.GenerationMode]
    cases = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes))

    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=cases, uid=existing)
    def check(case: Any, uid: str | None) -> None:
        if uid and "uid" in case.path_parameters:
            case.path_parameters["uid"] = uid
        answer = case.call()
        case.validate_response(answer, checks=CHECKS)

    check()
