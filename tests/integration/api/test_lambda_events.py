"""Events that no API Gateway sends: 400 in JSON, never a stack. A caller of the function can send them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

import app
from chalicelib.api.wsgi_adapter import Application
from tests.integration.api.conftest import Carter, new_uid
from tests.integration.api.transports import OverLambda

BODY = b'{"fileids": [{"id": 1, "path": "a"}]}'
Event = dict[str, Any]


def event(method: str = "POST", target: str = "/a") -> Event:
    return OverLambda(binary=True).event(method, target, BODY, {"accept": "*/*"})


def without(*names: str) -> Event:
    changed = event()
    for name in names:
        del changed[name]
    return changed


def with_(**fields: Any) -> Event:
    return event() | fields


def in_context(**fields: Any) -> Event:
    changed = copy.deepcopy(event())
    changed["requestContext"] |= fields
    return {**changed, "requestContext": {key: value for key, value in changed["requestContext"].items() if value != 0}}


MALFORMED: dict[str, Any] = {
    "null": None,
    "a list": [event()],
    "text": "POST",
    "a number": 7,
    "an empty object": {},
    "no requestContext": without("requestContext"),
    "requestContext null": with_(requestContext=None),
    "requestContext a list": with_(requestContext=[]),
    "no resourcePath": in_context(resourcePath=0),
    "resourcePath null": in_context(resourcePath=None),
    "no httpMethod": in_context(httpMethod=0),
    "httpMethod a list": in_context(httpMethod=["POST"]),
    "no headers": without("headers"),
    "headers a list": with_(headers=["accept"]),
    "headers with a number": with_(headers={"Content-Length": 1}),
    "headers with null": with_(headers={"Accept": None}),
    "no path parameters": without("pathParameters"),
    "path parameters null": with_(pathParameters=None),
    "no uid": with_(pathParameters={"other": "a"}),
    "uid a number": with_(pathParameters={"uid": 1}),
    "uid null": with_(pathParameters={"uid": None}),
    "no share": in_context(resourcePath="/{uid}/shares/{share}", httpMethod="DELETE"),
    "no token": in_context(resourcePath="/-/shared/{token}", httpMethod="GET"),
    "no query": without("multiValueQueryStringParameters"),
    "query of text": with_(multiValueQueryStringParameters={"a": "b"}),
    "query of nothing": with_(multiValueQueryStringParameters={"a": []}),
    "query of numbers": with_(multiValueQueryStringParameters={"a": [1]}),
    "query a list": with_(multiValueQueryStringParameters=[]),
    "no stage variables": without("stageVariables"),
    "no body": without("body"),
    "body null": with_(body=None),
    "body an object": with_(body={"fileids": []}),
    "body a number": with_(body=5),
    "body not base64": with_(body="{}"),
    "body half base64": with_(body="e30"),
    "body base64 of line ends": with_(body="e3 0="),
    "body not ASCII": with_(body="é==="),
    "a surrogate": with_(body="\ud800", isBase64Encoded=False),
    "version 2.0": {"version": "2.0", "rawPath": "/a", "requestContext": {"http": {"method": "POST"}}, "headers": {}},
    "a queue's event": {"Records": [{"body": "x", "eventSource": "aws:sqs"}]},
    "a load balancer's event": {"requestContext": {"elb": {}}, "httpMethod": "POST", "path": "/a", "body": ""},
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_event_is_400_in_json(application: Application, carts: Carter, kind: str) -> None:
    before = carts.count()
    answer = json.loads(json.dumps(app.app(MALFORMED[kind], None)))
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["status"] == "error"
    assert "Traceback" not in answer["body"]
    assert carts.count() == before


def test_what_is_wrong_is_named(application: Application) -> None:
    answer = app.app(without("headers", "body"), None)
    assert json.loads(answer["body"])["message"] == "The event has no headers and no body."


def test_a_malformed_event_of_head_has_the_two_headers(application: Application) -> None:
    answer = app.app({**event("HEAD"), "headers": 7}, None)
    assert (answer["statusCode"], answer["body"]) == (400, "")
    assert answer["headers"]["X-Pacifica-Message"] == "The event's headers must be an object."


def test_a_resource_that_is_not_ours_is_404(application: Application) -> None:
    answer = app.app(in_context(resourcePath="/{proxy+}"), None)
    assert answer["statusCode"] == 404
    assert "1 to 255 of" in json.loads(answer["body"])["message"]


@pytest.mark.parametrize(
    "unused", ["resource", "path", "httpMethod", "queryStringParameters", "multiValueHeaders", "isBase64Encoded"]
)
def test_what_is_not_read_may_be_missing(application: Application, unused: str) -> None:
    changed = OverLambda().event("POST", f"/{new_uid()}", BODY, {})
    del changed[unused]
    assert app.app(changed, None)["statusCode"] == 201


def test_the_sweep_still_takes_its_events(application: Application) -> None:
    scheduled = {
        "version": "0",
        "id": "1",
        "account": "1",
        "region": "r",
        "detail": {},
        "detail-type": "Scheduled Event",
    }
    sweep: Callable[..., Any] = app.sweep
    event = {**scheduled, "source": "aws.events", "time": "t", "resources": []}
    assert set(sweep(event, None)) == {"sent_again"}  # how many depends on the carts of other tests
