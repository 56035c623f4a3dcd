"""compose.production.yml: nothing but the proxy is reachable, nothing secret is in it, and everything is limited."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from chalicelib.config.settings import Settings
from chalicelib.db import rights

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "compose.production.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PAGE = (ROOT / "docs" / "onprem.md").read_text()
CADDY = (ROOT / "infra" / "compose" / "proxy" / "Caddyfile").read_text()
NEW_SITE = (ROOT / "infra" / "compose" / "new_site.sh").read_text()
KNOWN = {field.metadata["env"] for field in dataclasses.fields(Settings)}
CARTS = ("api", "workers", "sweep", "operator")
#: Networks that lead out of the machine, and who is in them. The proxy alone publishes ports.
OUTWARD = {"edge": {"proxy"}, "out": {"api", "workers", "operator"}}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_limited_watched_and_restarted(service: str) -> None:
    options = SERVICES[service]
    assert options["restart"] == "unless-stopped"
    assert options["logging"]["options"] == {"max-size": "20m", "max-file": "5"}
    assert options["healthcheck"]["test"]
    assert options["mem_limit"]
    assert options["cpus"]
    assert options["pids_limit"] > 0
    assert options["stop_grace_period"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_no_privileges(service: str) -> None:
    options = SERVICES[service]
    assert options["read_only"]
    assert options["cap_drop"] == ["ALL"]
    assert options["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"} & set(options)
    if "build" in options:
        dockerfile = (ROOT / options["build"]["dockerfile"]).read_text()
        assert re.search(r"^USER \d{5}$", dockerfile, re.MULTILINE)
    else:
        assert options["user"] == "mysql"


def test_only_the_proxy_publishes_ports() -> None:
    assert {name for name, options in SERVICES.items() if "ports" in options} == {"proxy"}
    assert [port.rpartition(":")[2] for port in SERVICES["proxy"]["ports"]] == ["8080", "8443"]


def test_networks_lead_out_only_where_they_must_and_the_proxy_reaches_no_data() -> None:
    members = {network: {name for name in SERVICES if network in SERVICES[name]["networks"]} for network in networks()}
    outward = {network for network, options in networks().items() if not (options or {}).get("internal")}
    assert {network: members[network] for network in outward} == OUTWARD
    assert members["front"] == {"proxy", "api", "store"}
    assert members["data"] == {*CARTS, "database"}
    assert members["storage"] == {*CARTS, "store"}


def test_no_image_is_a_moving_one() -> None:
    named = re.findall(r"\$\{(?:PYTHON|MARIADB|CADDY)_IMAGE:-([^}]*)\}", TEXT)
    assert len(named) == 3
    assert all(re.fullmatch(r"[a-z]+:\d+\.\d+\.\d+-[a-z-]+", image) for image in named)
    assert "latest" not in TEXT
    (caddy,) = re.findall(
        r"^ARG CADDY_IMAGE=(.+)$", (ROOT / "infra/compose/Dockerfile.proxy").read_text(), re.MULTILINE
    )
    assert caddy in named


def test_no_secret_is_in_the_file_or_in_a_variable() -> None:
    for name, options in SERVICES.items():
        for variable, value in options.get("environment", {}).items():
            secret = re.search(r"PASSWORD|TOKEN|SECRET|ACCESS_KEY", variable)
            assert not secret or variable.endswith("_FILE"), (name, variable)
            if str(value).startswith("/run/secrets/"):
                assert Path(value).name in options["secrets"]
    assert all(
        re.fullmatch(r"\$\{SITE:-./site\}/secrets/\w+", secret["file"]) for secret in COMPOSE["secrets"].values()
    )


def test_only_the_operator_has_the_login_of_the_tables_owner() -> None:
    holders = {name for name, options in SERVICES.items() if "database_root" in options.get("secrets", [])}
    assert holders == {"operator", "database"}
    for service, process in (("api", "api"), ("workers", "workers"), ("sweep", "sweep")):
        assert environment(service)["MYSQL_USER"] == rights.name_of(process)
        assert set(SERVICES[service]["secrets"]) == {f"database_{process}", "store_key"}


def test_new_site_makes_every_secret() -> None:
    (processes,) = re.findall(r"^for process in (.*); do$", NEW_SITE, re.MULTILINE)
    assert {f"database_{name}" for name in processes.split()} | {"store_key"} == set(COMPOSE["secrets"])


@pytest.mark.parametrize("service", CARTS)
def test_every_variable_is_read_by_the_code(service: str) -> None:
    names = {name for name in environment(service) if not name.startswith("AWS_")}
    assert {name.removesuffix("_FILE") for name in names} <= KNOWN


def test_it_does_not_start_without_logins_names_certificates_and_an_archive() -> None:
    required = set(re.findall(r"\$\{(\w+):\?", TEXT))
    assert required == {"AUTH", "CART_HOST", "STORE_HOST", "TLS", "ARCHIVE_INTERFACE_URL"}
    assert environment("api")["AUTH_NONE_I_KNOW"] == ""  # nor by a line in site/cart.env
    assert environment("api")["ALLOWED_HOSTS"] == "${CART_HOST}"


def test_signed_urls_lead_to_the_proxy_which_keeps_their_host_and_passes_on_nothing_else() -> None:
    assert environment("api")["BUNDLE_PUBLIC_ENDPOINT"].endswith("}/")
    assert environment("api")["BUNDLE_PUBLIC_ENDPOINT"].startswith("https://${STORE_HOST")
    store = CADDY.partition("{$STORE_HOST} {")[2]
    assert "header_up -Authorization" in store
    assert "header_up -Cookie" in store
    assert "header_up Host" not in CADDY
    assert f"path /{environment('api')['BUNDLE_BUCKET']}/*" in store
    assert "query X-Amz-Signature=*" in store


def test_a_request_does_not_wait_for_a_database_that_is_gone() -> None:
    tries = int(environment("api")["DATABASE_CONNECT_ATTEMPTS"])
    assert (tries - 1) * float(environment("api")["DATABASE_WAIT"]) <= 2


def test_no_request_is_redirected_to_a_name_of_its_choice() -> None:
    plain = CADDY.partition("\nhttp:// {")[2].partition("\n}")[0]
    assert re.findall(r"host (.+)", plain) == ["{$CART_HOST} {$STORE_HOST}"]
    assert re.findall(r"redir .+", plain) == ["redir @named https://{host}{uri} 308"]


def test_the_page_describes_every_service_and_variable() -> None:
    section = PAGE.partition("\n## Services\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(SERVICES)
    assert {name for name in re.findall(r"\$\{(\w+)", TEXT) if f"`{name}`" not in PAGE} == set()


def networks() -> dict[str, dict[str, Any] | None]:
    found: dict[str, dict[str, Any] | None] = COMPOSE["networks"]
    return found


def environment(service: str) -> dict[str, str]:
    found: dict[str, str] = SERVICES[service]["environment"]
    return found
