"""What infra/ says of the code is what the code is: routes, settings, times, names, what is logged."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import re
from typing import Any

import pytest

import app
from chalicelib.config import logs
from chalicelib.config.settings import Settings
from chalicelib.stores import jobs
from infra import package
from infra.local import provision
from tests.infra import hcl
from tests.infra.hcl import ROOT, block, default, source

DOCS = ROOT / "docs"
#: Settings that mean nothing in AWS, and why.
NOT_DEPLOYED = {
    "MYSQL_USER": "the secret has it",
    "MYSQL_PASSWORD": "the secret has it",
    "SQLITE_PATH": "there is MySQL",
    "SWEEP_INTERVAL": "the schedule has it",
    "AWS_ENDPOINT_URL_S3": "the store is AWS's own",
    "BUNDLE_PUBLIC_ENDPOINT": "the store is AWS's own",
    "MAX_BODY": "its default in Lambda is what an event holds",
}
#: boto3's, not ours.
OF_BOTO3 = {"AWS_DEFAULT_REGION", "AWS_STS_REGIONAL_ENDPOINTS"}


def test_the_routes_are_those_of_the_app() -> None:
    assert hcl.routes() == {(path, method) for path, methods in app.app.routes.items() for method in methods}


def test_every_setting_is_set_or_the_operators_or_means_nothing_here() -> None:
    known = {field.metadata["env"] for field in dataclasses.fields(Settings)}
    made, operators = hcl.set_settings() - OF_BOTO3, hcl.allowed_settings()
    assert made | operators | NOT_DEPLOYED.keys() == known
    assert not made & operators
    assert not (made | operators) & NOT_DEPLOYED.keys()


@pytest.mark.parametrize("table", ["shared_settings = {", "lambda_settings = {"])
def test_what_only_workers_read_is_set_for_workers_alone(table: str) -> None:
    rows = re.findall(r"^\| `(\w+)` .*\| workers \|$", (DOCS / "settings.md").read_text(), re.MULTILINE)
    mine = re.findall(r"^\s+([A-Z][A-Z0-9_]+)\s+=", block(source("settings.tf"), table), re.MULTILINE)
    assert mine
    assert not set(rows) - {"LEASE"} & set(mine)


@pytest.mark.parametrize("lease", [2.0, 2.5, 29.01, 30.0, 3600.0])
def test_the_queues_visibility_follows_the_lease(lease: float) -> None:
    (said,) = re.findall(r"visibility = (.+)$", source("queues.tf"), re.MULTILINE)
    assert "visibility_timeout_seconds = local.visibility" in source("queues.tf")
    value = eval(said.replace("var.lease", "lease"), {"ceil": math.ceil, "lease": lease})
    assert value == Settings(lease=lease).visibility


def test_the_defaults_are_those_of_the_settings() -> None:
    ours = Settings()
    assert float(default("lease")) == ours.lease
    assert float(default("recall_days")) * 86400 == ours.recall_timeout
    assert float(default("cart_days")) * 86400 == ours.cart_deadline
    assert float(default("bundle_days")) * 86400 == ours.bundle_ttl
    assert f'"JOB_CONCURRENCY", "{ours.job_concurrency}"' in source("variables_capacity.tf")


def test_a_message_is_given_up_as_often_as_locally() -> None:
    assert f"maxReceiveCount = {provision.MAX_RECEIVES} " in source("queues.tf")


def test_the_functions_are_as_chalice_would_make_them() -> None:
    config = json.loads((ROOT / ".chalice/config.json").read_text())
    for name, value in re.findall(r"^\s+lambda_(memory|timeout)\s+= (\d+)$", source("lambda.tf"), re.MULTILINE):
        assert config[{"memory": "lambda_memory_size", "timeout": "lambda_timeout"}[name]] == int(value)
    assert f'stage = "{config["api_gateway_stage"]}"' in source("api.tf")


def test_the_handlers_and_the_schedule_are_the_apps() -> None:
    for file, handler in (("lambda.tf", "app"), ("schedule.tf", "sweep")):
        assert f'"app.{handler}"' in source(file)
        assert callable(getattr(app, handler))
    scheduled: Any
    [scheduled] = app.app.event_sources
    assert scheduled.schedule_expression.to_string() in source("schedule.tf")


def test_the_certificates_lie_where_the_functions_look() -> None:
    assert f'MYSQL_CA = "/var/task/{package.CA_NAME}"' in re.sub(" +", " ", source("settings.tf"))


def test_the_volume_is_where_the_image_has_it_and_the_images_users() -> None:
    image = (ROOT / "workers/Dockerfile").read_text()
    (path,) = re.findall(r'volume_path\s+= "([^"]+)"', source("volume.tf"))
    (user,) = re.findall(r"worker_user\s+= (\d+)", source("volume.tf"))
    assert f"VOLUME_PATH={path}\n" in image
    assert f"\nUSER {user}\n" in image
    assert "pacifica-cartd-cmd" in image


def terms(name: str) -> list[str]:
    """What a metric filter looks for in a line, all of it."""
    body = block(source("alarms.tf"), "logged = {")
    (found,) = re.findall(rf"^\s+{name}\s+= .*terms = \[(.*?)\]", body, re.MULTILINE)
    return re.findall(r'"(.*?)"', found)


def logged(module: str, level: int, call: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A line as the workers log it, by the call of that module's source that has `call` in it."""
    taken: dict[str, Any] = {}
    monkeypatch.setattr(logging, "basicConfig", lambda **given: taken.update(given))
    level_before = logging.getLogger().level
    logs.configure("INFO")
    logging.getLogger().setLevel(level_before)
    (message,) = re.findall(
        r'log\.\w+\("([^"]*' + call + '[^"]*)"', (ROOT / f"{module.replace('.', '/')}.py").read_text()
    )
    filled = re.sub(r"%[rsd]", "7", message)
    return logging.Formatter(taken["format"]).format(logging.LogRecord(module, level, "", 1, filled, (), None))


@pytest.mark.parametrize(
    ("name", "module", "level", "call"),
    [
        ("carts-failed", "workers.handlers.cleanup", logging.WARNING, "failed: "),
        ("carts-given-up", "chalicelib.sweep.overdue_carts", logging.WARNING, "failed: "),
        ("jobs-failed", "workers.runtime.consumer", logging.ERROR, "failed [(]attempt"),
        ("dead-letters", "chalicelib.sweep.sweep", logging.WARNING, "dead letter %r"),
    ],
)
def test_an_alarm_that_reads_logs_finds_what_is_logged(
    name: str, module: str, level: int, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = logged(module, level, call, monkeypatch)
    assert terms(name)
    assert [term for term in terms(name) if term not in line] == []


def test_every_alarm_has_its_chapter_in_the_runbook_and_no_other() -> None:
    (chapter,) = re.findall(r"^## Alarms\n(.*?)(?=^## )", (DOCS / "operations.md").read_text(), re.M | re.S)
    assert set(re.findall(r"^### ([a-z0-9-]+)$", chapter, re.MULTILINE)) == hcl.alarms()


def test_the_page_on_deploying_names_every_variable() -> None:
    page = (DOCS / "deploy.md").read_text()
    told = re.findall(r"^\| `(\w+)` \| (.+?) \|", page.partition("\n## Variables\n")[2], re.MULTILINE)
    assert {name: value != "**must be said**" for name, value in told} == {
        name: has for name, has in hcl.variables().items() if name != "rehearsal"
    }


def test_no_example_lets_everyone_call_an_api_without_login() -> None:
    for example in (ROOT / "infra/examples").glob("*/main.tf"):
        assert "0.0.0.0" not in example.read_text(), example


def test_the_job_version_is_told_where_upgrades_are() -> None:
    assert f"message version is {jobs.VERSION}" in (DOCS / "operations.md").read_text()


def test_the_zip_is_the_same_for_the_same_input(tmp_path: Any) -> None:
    import zipfile

    for name in ("a", "b"):
        with zipfile.ZipFile(tmp_path / name, "w") as given:
            for file in ("app.py", "x-1.dist-info/RECORD", "m.pyc")[:: 1 if name == "a" else -1]:
                given.writestr(file, file)
        package.write(tmp_path / name, b"certificates", tmp_path / f"{name}.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert zipfile.ZipFile(tmp_path / "a.zip").namelist() == ["app.py", package.CA_NAME]
