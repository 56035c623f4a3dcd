"""infra/ agrees with the code: routes, settings, times, names, log lines."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import subprocess
import sys
from typing import Any

import pytest

import app
from chalicelib import job_message
from chalicelib.config.settings import Settings
from infra import package
from infra.local import provision
from tests.infra import filters, hcl
from tests.infra.hcl import ROOT, block, default, source

DOCS = ROOT / "docs"
#: Settings that are not used in AWS, and why.
NOT_DEPLOYED = {
    "MYSQL_USER": "it is in the secret",
    "MYSQL_PASSWORD": "it is in the secret",
    "SQLITE_PATH": "the database is MySQL",
    "SWEEP_INTERVAL": "it is in the schedule",
    "AWS_ENDPOINT_URL_S3": "the store is S3 itself",
    "BUNDLE_PUBLIC_ENDPOINT": "the store is S3 itself",
    "MAX_BODY": "its default in Lambda is the limit of an event",
    "OIDC_JWKS_FILE": "a Lambda has no such file: it asks the issuer",
    "POLICY_FILE": "a Lambda has no such file",
    "POLICY_TOKEN": "it is in a secret",
    "ARCHIVE_TOKEN": "it is in a secret",
    "NOTIFY_SIGNING_KEY": "it is in a secret",
    "SMTP_URL": "it is in a secret",
    "ARCHIVE_CLIENT_CERT": "the workers have no such file",
    "ARCHIVE_CLIENT_KEY": "the workers have no such file",
    "JOB_WAKE_DIR": "the queue is SQS",
    "METRICS_ADDRESS": "CloudWatch reads metrics from the logs",
    "AWS_LAMBDA_FUNCTION_NAME": "Lambda sets it",
    "CART_REVISION": "the workers' image sets it",
}
#: Variables read by boto3.
OF_BOTO3 = {"AWS_DEFAULT_REGION", "AWS_STS_REGIONAL_ENDPOINTS"}


def test_the_routes_are_those_of_the_app() -> None:
    assert hcl.routes() == {(path, method) for path, methods in app.app.routes.items() for method in methods}


def test_every_setting_is_set_by_the_module_or_by_operators_or_is_unused() -> None:
    known = {field.metadata["env"] for field in dataclasses.fields(Settings)}
    module, operators = hcl.set_settings() - OF_BOTO3, hcl.allowed_settings()
    assert module | operators | NOT_DEPLOYED.keys() == known
    assert not module & operators
    assert not (module | operators) & NOT_DEPLOYED.keys()


@pytest.mark.parametrize("table", ["shared_settings = {", "lambda_settings = {"])
def test_settings_of_workers_are_set_only_for_workers(table: str) -> None:
    rows = re.findall(r"^\| `(\w+)` .*\| workers \|$", (DOCS / "settings.md").read_text(), re.MULTILINE)
    names = re.findall(r"^\s+([A-Z][A-Z0-9_]+)\s+=", block(source("settings.tf"), table), re.MULTILINE)
    assert names
    assert not set(rows) - {"LEASE"} & set(names)


@pytest.mark.parametrize("lease", [2.0, 2.5, 29.01, 30.0, 3600.0])
def test_the_queues_visibility_follows_the_lease(lease: float) -> None:
    (formula,) = re.findall(r"visibility = (.+)$", source("queues.tf"), re.MULTILINE)
    assert "visibility_timeout_seconds = local.visibility" in source("queues.tf")
    value = eval(formula.replace("var.lease", "lease"), {"ceil": math.ceil, "lease": lease})
    assert value == Settings(lease=lease).visibility


def test_the_defaults_are_those_of_the_settings() -> None:
    settings = Settings()
    assert float(default("lease")) == settings.lease
    assert float(default("recall_days")) * 86400 == settings.recall_timeout
    assert float(default("cart_days")) * 86400 == settings.cart_deadline
    assert float(default("bundle_days")) * 86400 == settings.bundle_ttl
    assert f'"JOB_CONCURRENCY", "{settings.job_concurrency}"' in source("variables_database.tf")


def test_a_message_is_dead_lettered_after_as_many_receives_as_locally() -> None:
    assert f"maxReceiveCount = {provision.MAX_RECEIVES} " in source("queues.tf")


def test_the_functions_match_the_chalice_configuration() -> None:
    config = json.loads((ROOT / ".chalice/config.json").read_text())
    for name, value in re.findall(r"^\s+lambda_(memory|timeout)\s+= (\d+)$", source("lambda.tf"), re.MULTILINE):
        assert config[{"memory": "lambda_memory_size", "timeout": "lambda_timeout"}[name]] == int(value)
    assert f'stage = "{config["api_gateway_stage"]}"' in re.sub(" +", " ", source("api.tf"))


def test_the_handlers_and_the_schedule_are_those_of_the_app() -> None:
    for file, handler in (("lambda.tf", "app"), ("schedule.tf", "sweep")):
        assert f'"app.{handler}"' in source(file)
        assert callable(getattr(app, handler))
    scheduled: Any
    [scheduled] = app.app.event_sources
    assert scheduled.schedule_expression.to_string() in source("schedule.tf")


def test_the_path_of_the_ca_certificates_matches_the_zip() -> None:
    assert f'MYSQL_CA = "/var/task/{package.CA_NAME}"' in re.sub(" +", " ", source("settings.tf"))


def test_the_volume_has_the_path_and_the_user_of_the_image() -> None:
    image = (ROOT / "workers/Dockerfile").read_text()
    (path,) = re.findall(r'volume_path\s+= "([^"]+)"', source("volume.tf"))
    (user,) = re.findall(r"worker_user\s+= (\d+)", source("volume.tf"))
    assert f"VOLUME_PATH={path}\n" in image
    assert f"\nUSER {user}\n" in image
    assert "pacifica-cartd-cmd" in image


#: Runs a job that fails, and one that ends its cart in error, with the log of a worker.
WORKER = """
from chalicelib.config import logs
from chalicelib.errors import PermanentError
from tests.doubles.runner_site import RunnerSite, raises
logs.configure("INFO", "json")
site = RunnerSite()
for error in (ValueError("a mistake"), PermanentError("the archive has no file 7")):
    site.send()
    site.on("window", raises(error))
    site.handle_next()
"""


def test_the_filters_of_the_workers_count_what_a_worker_prints() -> None:
    """Those of the sweep: tests/integration/test_lambda_logs.py."""
    ran = subprocess.run([sys.executable, "-c", WORKER], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = ran.stderr.splitlines()
    counted = {name: sum(filters.matches(name, line) for line in lines) for name in filters.names()}
    assert counted == {"carts-failed": 1, "jobs-failed": 1, "carts-given-up": 0, "dead-letters": 0}, lines


def test_the_deployed_log_is_json_because_the_filters_read_its_fields() -> None:
    assert re.search(r'LOG_FORMAT\s+= "json"', source("settings.tf"))


def test_the_runbook_has_a_section_for_every_alarm_and_no_other() -> None:
    (chapter,) = re.findall(r"^## Alarms\n(.*?)(?=^## )", (DOCS / "operations.md").read_text(), re.M | re.S)
    assert set(re.findall(r"^### ([a-z0-9-]+)$", chapter, re.MULTILINE)) == hcl.alarms()


def test_the_deployment_page_lists_every_variable_and_marks_required_ones_bold() -> None:
    page = (DOCS / "deploy.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", page.partition("\n## Variables\n")[2], re.MULTILINE)
    assert {name: not value.startswith("**") for name, value in rows} == {
        name: has_default for name, has_default in hcl.variables().items() if name != "rehearsal"
    }


def test_no_example_allows_everyone_to_call_the_api() -> None:
    for example in (ROOT / "infra/examples").glob("*/main.tf"):
        assert "0.0.0.0" not in example.read_text(), example


def test_the_runbook_states_the_job_version() -> None:
    assert f"message version is {job_message.VERSION}" in (DOCS / "operations.md").read_text()


def test_the_zip_is_the_same_for_the_same_input(tmp_path: Any) -> None:
    import zipfile

    for name in ("a", "b"):
        with zipfile.ZipFile(tmp_path / name, "w") as packaged:
            for file in ("app.py", "x-1.dist-info/RECORD", "m.pyc")[:: 1 if name == "a" else -1]:
                packaged.writestr(file, file)
        package.write_zip(tmp_path / name, b"certificates", tmp_path / f"{name}.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert zipfile.ZipFile(tmp_path / "a.zip").namelist() == ["app.py", package.CA_NAME]
