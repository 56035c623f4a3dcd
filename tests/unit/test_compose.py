"""docker-compose.yml and the Dockerfiles agree with the code, with the names of the old cart and with each other."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from chalicelib.config.settings import Settings, load
from infra.local import services
from infra.local.archive import CHERRYPY, ONE_REQUEST_PER_PROCESS, SAMPLES

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PAGE = (ROOT / "docs" / "compose.md").read_text()
DOCKERFILES = {
    name: (ROOT / name).read_text()
    for name in (
        "Dockerfile.wsgi",
        "workers/Dockerfile",
        "infra/compose/Dockerfile.archive",
        "infra/compose/Dockerfile.standins",
        "tests/compose/mariadb/Dockerfile",
    )
}
#: A full version and the distribution of the image.
PINNED = r"[a-z]+:\d+\.\d+\.\d+-[a-z-]+"
KNOWN = {field.metadata["env"] for field in dataclasses.fields(Settings)}
CARTS = ("cartserver", "cartworkers", "cartsweeper")


def environment(service: str) -> dict[str, str]:
    """A service's variables, with the defaults of those that the caller may set."""
    variables = SERVICES[service]["environment"]
    return {name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value)) for name, value in variables.items()}


@pytest.mark.parametrize("service", CARTS)
def test_every_variable_is_read_by_the_code(service: str) -> None:
    names = {name for name in environment(service) if not name.startswith("AWS_")}
    assert names <= KNOWN
    assert load(environment(service), worker=True).archive_url == "http://archivei:8080/"


def test_server_workers_and_sweeper_have_the_same_variables() -> None:
    assert environment("cartserver") == environment("cartworkers") == environment("cartsweeper")


@pytest.mark.parametrize("name", ["LRU_BUFFER_TIME", "DATABASE_CONNECT_ATTEMPTS"])
def test_an_unset_variable_has_the_default_of_the_settings(name: str) -> None:
    (field,) = [field for field in dataclasses.fields(Settings) if field.metadata["env"] == name]
    assert field.metadata["parse"](environment("cartserver")[name]) == field.default


def test_the_names_of_the_old_cart_are_kept() -> None:
    assert {"cartmysql", "cartserver", "cartworkers", "archiveinterface"} <= set(SERVICES)
    assert aliases("cartmysql") == ["mysql"]
    assert aliases("archiveinterface") == ["archivei"]
    mysql = {"MYSQL_ROOT_PASSWORD", "MYSQL_DATABASE", "MYSQL_USER", "MYSQL_PASSWORD"}
    assert set(environment("cartmysql")) == mysql
    assert {"VOLUME_PATH", "LRU_BUFFER_TIME", "ARCHIVE_INTERFACE_URL", "DATABASE_LOGGING"} <= set(
        environment("cartworkers")
    )
    assert {"DATABASE_CONNECT_ATTEMPTS", "DATABASE_WAIT"} <= set(environment("cartworkers"))
    assert SERVICES["cartserver"]["build"]["dockerfile"] == "Dockerfile.wsgi"
    assert SERVICES["cartserver"]["container_name"] == "cartserver"


def test_the_settings_match_the_database() -> None:
    settings = load(environment("cartserver"))
    database = environment("cartmysql")
    assert (settings.mysql_host, settings.mysql_database) == (aliases("cartmysql")[0], database["MYSQL_DATABASE"])
    assert (settings.mysql_user, settings.mysql_password) == (database["MYSQL_USER"], database["MYSQL_PASSWORD"])


def test_the_store_has_the_keys_that_the_cart_signs_with() -> None:
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    assert [environment("cartstore")[key] for key in keys] == [environment("cartserver")[key] for key in keys]
    assert "${AWS_" not in TEXT, "a stand-in must not get the caller's real keys"


def test_ports_are_published_on_loopback_only_and_redirects_use_the_stores_port() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert all(port.startswith("127.0.0.1:") for published in ports.values() for port in published)
    assert ports["cartserver"] == ["127.0.0.1:${CART_PORT:-8081}:8081"]
    public = SERVICES["cartserver"]["environment"]["BUNDLE_PUBLIC_ENDPOINT"]
    (store,) = ports["cartstore"]
    assert public == f"http://{store.rpartition(':')[0]}/"


def test_workers_can_be_scaled_and_have_time_to_drain() -> None:
    assert "container_name" not in SERVICES["cartworkers"]
    assert "ports" not in SERVICES["cartworkers"]
    assert int(SERVICES["cartworkers"]["stop_grace_period"].removesuffix("s")) > 8


def test_every_folder_with_state_is_a_named_volume() -> None:
    used = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert used == set(COMPOSE["volumes"])
    mounted = SERVICES["cartworkers"]["volumes"][0].partition(":")[2]
    assert mounted == environment("cartworkers")["VOLUME_PATH"]


@pytest.mark.parametrize("service", sorted(set(SERVICES) - {"cartmysql"}))
def test_built_images_run_with_minimal_privileges(service: str) -> None:
    options = SERVICES[service]
    assert options["read_only"]
    assert options["cap_drop"] == ["ALL"]
    assert options["security_opt"] == ["no-new-privileges:true"]
    assert options["restart"] == "unless-stopped"
    assert re.search(r"^USER \d+$", DOCKERFILES[options["build"]["dockerfile"]], re.MULTILINE)


def test_every_base_image_is_pinned_and_all_use_the_same_python() -> None:
    built = {name for name, text in DOCKERFILES.items() if "FROM ${PYTHON_IMAGE}\n" in text}
    assert built == {service["build"]["dockerfile"] for service in SERVICES.values() if "build" in service}
    bases = {base for name in built for base in re.findall(r"^ARG PYTHON_IMAGE=(.+)$", DOCKERFILES[name], re.MULTILINE)}
    arguments = {str(service["build"]["args"]) for service in SERVICES.values() if "build" in service}
    (base,) = bases
    assert arguments == {str({"PYTHON_IMAGE": f"${{PYTHON_IMAGE:-{base}}}"})}
    assert re.fullmatch(PINNED, base)
    assert re.fullmatch(r"\$\{MARIADB_IMAGE:-" + PINNED + r"\}", SERVICES["cartmysql"]["image"])


@pytest.mark.parametrize("name", [name for name in DOCKERFILES if not name.startswith("tests/")])
def test_an_image_installs_only_what_has_a_locked_hash(name: str) -> None:
    installs = re.findall(r"pip install (.*?) \\\n    &&", DOCKERFILES[name], re.DOTALL)
    assert len(installs) == DOCKERFILES[name].count("pip install") == 1
    (copied,) = re.findall(r"^COPY locks/(\w+\.lock) \./$", DOCKERFILES[name], re.MULTILINE)
    assert installs[0].endswith(f"--require-hashes -r {copied}")


@pytest.mark.parametrize("name", [name for name in DOCKERFILES if not name.startswith("tests/")])
def test_all_that_an_image_copies_is_in_the_build_context(name: str) -> None:
    lines = re.findall(r"^COPY (?:--\S+ )?(.*)$", DOCKERFILES[name].replace("\\\n", " "), re.MULTILINE)
    copied = [source for line in lines for source in line.split()[:-1]]
    assert len(copied) >= 2
    context = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    absent = [source for source in copied if not any(f"{source}/".startswith(f"{path}/") for path in context)]
    assert absent == []
    assert all((ROOT / source).exists() for source in copied)


@pytest.mark.parametrize("name", ["Dockerfile.wsgi", "workers/Dockerfile"])
def test_an_image_is_labelled_and_has_a_health_check(name: str) -> None:
    text = DOCKERFILES[name]
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f'org.opencontainers.image.version="{version}"' in text
    assert re.search(r"^CMD \[", text, re.MULTILINE), "a shell would not forward SIGTERM"
    assert re.search(r"^HEALTHCHECK ", text, re.MULTILINE)


def test_the_servers_have_the_same_command_as_in_make_run() -> None:
    assert [*services.API_SERVER, "asgi:application"] == words("Dockerfile.wsgi")[-1 - len(services.API_SERVER) :]
    # Not in the command, whose options would override a variable set at run time.
    assert f'ENV GRANIAN_WORKERS="{services.API_PROCESSES}"\n' in DOCKERFILES["Dockerfile.wsgi"]
    assert "--workers" not in words("Dockerfile.wsgi")
    assert " ".join(ONE_REQUEST_PER_PROCESS) in " ".join(words("infra/compose/Dockerfile.archive"))


def test_the_archive_has_the_sample_files_of_make_run() -> None:
    folder = ROOT / "infra" / "compose" / "archive"
    assert {path.name: path.read_text() for path in (folder / "samples").iterdir()} == SAMPLES
    assert (folder / "cherrypy.ini").read_text() == CHERRYPY


def test_the_page_describes_every_service_variable_and_volume() -> None:
    sections = re.findall(r"^## (\w+):", PAGE, re.MULTILINE)
    assert sections == list(SERVICES)
    callers = set(re.findall(r"\$\{(\w+)", TEXT))
    services_own = {name for service in SERVICES.values() for name in service.get("environment", {})}
    assert {name for name in callers | services_own | set(COMPOSE["volumes"]) if f"`{name}`" not in PAGE} == set()


def aliases(service: str) -> list[str]:
    names: list[str] = SERVICES[service]["networks"]["default"]["aliases"]
    return names


def words(dockerfile: str) -> list[str]:
    """The words of an image's command."""
    (command,) = re.findall(r"^CMD \[(.*?)\]$", DOCKERFILES[dockerfile], re.MULTILINE | re.DOTALL)
    return re.findall(r'"([^"]*)"', command)
