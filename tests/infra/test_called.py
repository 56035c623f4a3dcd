"""Applies infra/ to ministack and calls the API at its deployed address: with a token, without, and unsigned.

ministack evaluates neither IAM nor resource policies nor gateway responses, and asks of `AWS_IAM` only that there is an
Authorization header. What the code says to each login is in tests of its own; here it is that the deployed stage asks.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.admin import command
from chalicelib.caller import Scope
from chalicelib.config.settings import load
from chalicelib.db.database import Database
from chalicelib.stores.access_tokens import AccessTokenStore
from infra import package
from tests.infra import terraform
from tests.infra.ministack import Called, ministack, prepared
from tests.infra.reach import Network
from tests.infra.terraform import KEYS
from tests.integration import mariadb
from tests.integration.test_credentials import Authority
from tests.policy_server import PolicyServer, policy_server

pytestmark = [pytest.mark.timeout(1500), *terraform.MARKS]
MANIFEST = {"fileids": [{"id": "foo.txt", "path": "1/foo.txt"}]}
LOGINS = "oidc,token"
DEPLOYMENT = "module.cart.aws_api_gateway_deployment.this"


@pytest.fixture(scope="module")
def called(
    folder: Path, zipped: Path, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Called]:
    """The module, applied with tokens and an issuer."""
    own, root = tmp_path_factory.mktemp("copy") / "infra", tmp_path_factory.mktemp("root")
    shutil.copytree(folder, own)
    with ministack(tmp_path_factory.mktemp("ministack")) as endpoint:
        applied = prepared(root, own, zipped, authority.pem, endpoint)
        applied.apply(LOGINS)
        yield applied


@pytest.fixture(scope="module")
def policy() -> Iterator[PolicyServer]:
    """Answers in the place of the deployment's policy service, which is nowhere."""
    with policy_server() as server:
        yield server


@pytest.fixture(scope="module")
def token(
    called: Called, authority: Authority, policy: PolicyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A token of a user. The database is a MariaDB whose users the deployed migration command made."""
    folder = tmp_path_factory.mktemp("database")
    (folder / package.CA_NAME).write_text(authority.pem)
    options = authority.issue(tmp_path_factory.mktemp("tls"), "127.0.0.1")
    with mariadb.server(*options, "--require-secure-transport=ON") as variables, pytest.MonkeyPatch.context() as patch:
        if variables is None:
            pytest.skip("mariadbd is not installed")
        mariadb.run(variables, "CREATE DATABASE pacifica_cartd")
        ours = {name: variables[name] for name in ("MYSQL_HOST", "MYSQL_PORT")}
        ours |= {"MYSQL_CA": str(folder / package.CA_NAME), "AWS_ENDPOINT_URL": called.endpoint}
        for name, value in {**variables, **ours, **KEYS}.items():
            patch.setenv(name, value)
        assert command.main(migration(called)) == 0
        called.stand_in(ours | {"POLICY_URL": policy.url})
        owner = Database(load({**variables, **ours}))
        yield AccessTokenStore(owner).add("alice", [Scope.READ, Scope.WRITE], (), 3600.0, "")[1]
        owner.close()


@pytest.fixture(scope="module")
def network(called: Called) -> Network:
    return Network(called.resources())


def migration(called: Called) -> list[str]:
    """The arguments of the deployed migration task's command."""
    answer = called.client("ecs").describe_task_definition(taskDefinition="called-cart-migrate")
    (container,) = answer["taskDefinition"]["containerDefinitions"]
    assert container["command"][0] == "pacifica-cartd-cmd"
    return list(container["command"][1:])


def login(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_cart_is_made_with_a_token_and_with_no_other(called: Called, token: str) -> None:
    without = called.call("POST", "/mine", json=MANIFEST)
    assert without.status_code == 401, without.text
    assert called.call("POST", "/mine", json=MANIFEST, headers=login(f"{token}x")).status_code == 401

    made = called.call("POST", "/mine", json=MANIFEST, headers=login(token))
    assert made.status_code == 201, made.text
    assert called.call("HEAD", "/mine", auth=("anybody", token)).headers["X-Pacifica-Status"] == "waiting"
    refused = called.call("HEAD", "/mine")
    assert (refused.status_code, refused.headers["X-Pacifica-Status"]) == (401, "error")


def test_the_deployed_api_asks_who_may_read_which_files(called: Called, token: str, policy: PolicyServer) -> None:
    policy.refused = {"secret.txt"}
    posted = {"fileids": [*MANIFEST["fileids"], {"id": "secret.txt", "path": "1/secret.txt"}]}
    answer = called.call("POST", "/unread", json=posted, headers=login(token))
    assert answer.status_code == 403, answer.text
    assert "fileids[1]" in answer.json()["message"]
    assert policy.questions[-1]["owner"] == "alice"


def test_the_services_own_addresses_take_no_uids_name_away(called: Called, token: str) -> None:
    for uid in ("carts", "limits", "metrics", "shared", "healthz"):
        assert called.call("POST", f"/{uid}", json=MANIFEST, headers=login(token)).status_code == 201, uid
        assert called.call("HEAD", f"/{uid}", headers=login(token)).status_code == 202, uid
    listed = called.call("GET", "/-/carts", headers=login(token)).json()
    assert {cart["uid"] for cart in listed["carts"]} >= {"carts", "limits", "metrics", "shared", "healthz"}
    assert called.call("GET", "/-/healthz").status_code == 200
    assert called.call("GET", "/").status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
@pytest.mark.parametrize("path", ["/-", "/-/carts/more", "/-/shared", "/a/b/c/d/e/f"])
def test_what_is_no_address_reaches_no_cart(called: Called, token: str, method: str, path: str) -> None:
    answer = called.call(method, path, json=MANIFEST, headers=login(token))
    assert answer.status_code in (400, 403, 404, 405), answer.text


def test_a_share_is_followed_through_the_deployed_address(called: Called, token: str) -> None:
    called.call("POST", "/given", json=MANIFEST, headers=login(token))
    shared = called.call("POST", "/given/shares", json={"with": "bob"}, headers=login(token))
    assert shared.status_code == 201, shared.text
    path = shared.json()["address"]
    assert called.call("HEAD", path).status_code in (401, 404)
    assert called.call("DELETE", f"/given/shares/{shared.json()['id']}", headers=login(token)).status_code == 200


PROCESSES = ("api", "sweep", "workers")


@pytest.mark.parametrize(
    ("address", "port", "processes"),
    [
        ("203.0.113.1", 443, {"api"}),  # the issuer
        ("203.0.113.17", 8443, {"api", "workers"}),  # the policy service
        ("192.0.2.1", 443, {"workers"}),  # the archive
        ("203.0.113.1", 80, set()),
        ("203.0.113.1", 8443, set()),
        ("203.0.113.17", 443, set()),
        ("192.0.2.1", 80, set()),
        ("203.0.113.32", 443, set()),
        ("198.51.100.1", 443, set()),
        ("169.254.169.254", 80, set()),
        ("10.82.0.10", 22, set()),
    ],
)
def test_a_destination_outside_is_reached_by_those_who_ask_it(
    network: Network, address: str, port: int, processes: set[str]
) -> None:
    assert {process for process in PROCESSES if network.reaches_address(process, address, port)} == processes


@pytest.mark.parametrize(
    ("part", "port", "processes"),
    [
        ("database", 3306, {"api", "sweep", "workers"}),
        ("volume", 2049, {"workers"}),
        ("endpoints", 443, {"api", "sweep", "workers"}),
        ("database", 22, set()),
        ("workers", 443, set()),
        ("lambda", 443, set()),
        ("callout", 443, set()),
    ],
)
def test_a_part_inside_is_reached_by_those_who_use_it(
    network: Network, part: str, port: int, processes: set[str]
) -> None:
    assert {process for process in PROCESSES if network.reaches_part(process, part, port)} == processes


def test_every_process_reaches_the_bundle_store(network: Network) -> None:
    assert all(network.reaches_s3(process, 443) and not network.reaches_s3(process, 80) for process in PROCESSES)


def test_a_plan_without_changes_deploys_nothing(called: Called) -> None:
    assert called.plan(LOGINS)[DEPLOYMENT] == ["no-op"]


def test_other_callers_are_deployed(called: Called) -> None:
    assert replaced(called.plan(LOGINS, api_allowed_cidrs='["203.0.113.0/24"]'))


def replaced(plan: dict[str, list[str]]) -> bool:
    return set(plan[DEPLOYMENT]) == {"create", "delete"}


def test_with_iam_the_deployed_stage_refuses_unsigned_requests(called: Called, token: str) -> None:
    """The last test: it deploys another authorization."""
    before = called.stage[1]["deploymentId"]
    assert called.call("GET", "/-/carts", headers=login(token)).status_code == 200
    assert replaced(called.plan("iam"))
    called.apply("iam")
    after = called.stage[1]["deploymentId"]
    assert after != before

    refusal = called.call("GET", "/-/carts")
    assert refusal.status_code == 403
    assert refusal.json() == {"message": "Missing Authentication Token"}  # API Gateway's own: the code was not asked
    for method, path in (("POST", "/mine"), ("DELETE", "/mine"), ("HEAD", "/mine"), ("GET", "/mine/files")):
        assert called.call(method, path).status_code == 403
    for path in ("/", "/-/healthz"):
        assert called.call("GET", path).status_code == 200
    assert called.call("OPTIONS", "/mine").status_code == 204
