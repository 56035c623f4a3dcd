"""What the local system keeps in CART_HOME, the environment it gives its processes, and how it starts them."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local import archive, services
from infra.local.environment import Wanted, product_environment, wanted
from infra.local.home import Home, InTheWay
from infra.local.ports import CHOICE, keep_ports
from infra.local.probes import MARK, end_leftovers
from infra.local.process import Service

PORTS = {"s3": 1, "sqs": 2, "archive": 3} | {f"weed-{name}": 10 + n for n, name in enumerate(services.WEED_PORTS)}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.make()
    return made


def want_of(home: Home, **environ: str) -> Wanted:
    return wanted({"CART_HOME": str(home.root), **environ})


def environment_of(home: Home, **environ: str) -> dict[str, str]:
    return product_environment(environ, want_of(home, **environ), PORTS)


def test_ports_stay_the_same_from_run_to_run(tmp_path: Path) -> None:
    lost: list[str] = []
    names = ["s3", "sqs", "archive"]
    first = keep_ports(tmp_path / "ports", names, taken=lambda name, port: lost.append(name))
    assert keep_ports(tmp_path / "ports", names, taken=lambda name, port: lost.append(name)) == first
    assert len(set(first.values())) == 3
    assert all(port in CHOICE for port in first.values())
    assert lost == []


def test_a_port_someone_took_is_chosen_anew_and_told(tmp_path: Path) -> None:
    lost: list[tuple[str, int]] = []
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        (tmp_path / "ports").write_text(json.dumps({"s3": port}))
        chosen = keep_ports(tmp_path / "ports", ["s3"], taken=lambda name, port: lost.append((name, port)))
    assert chosen["s3"] != port
    assert lost == [("s3", port)]


def test_a_home_is_held_by_one_process_at_a_time(home: Home) -> None:
    with home.hold(8081):
        assert home.holder()["port"] == 8081
        with pytest.raises(InTheWay, match=r"held by a running system: process \d+, port 8081"):
            home.hold(8082)
    assert home.holder() == {}
    home.hold(8082).close()


def test_the_access_key_is_made_once_and_for_its_owner_alone(home: Home) -> None:
    key, secret = home.keys()
    assert (key, secret) == home.keys()
    assert len(secret) >= 30
    assert stat.S_IMODE((home.root / "keys.json").stat().st_mode) == 0o600


def test_the_product_gets_the_stand_ins_addresses_and_the_homes_state(home: Home) -> None:
    env = environment_of(home)
    assert env["VOLUME_PATH"] == str(home.volume)
    assert env["SQLITE_PATH"] == str(home.database)
    assert env["ARCHIVE_INTERFACE_URL"] == "http://127.0.0.1:3/"
    assert env["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:1"
    assert env["AWS_ENDPOINT_URL_SQS"] == "http://127.0.0.1:2"
    assert env["PORT"] == "8081"
    assert (env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]) == home.keys()


def test_what_is_set_already_wins(home: Home) -> None:
    given = {
        "VOLUME_PATH": "/elsewhere",
        "SQLITE_PATH": "/elsewhere.db",
        "ARCHIVE_INTERFACE_URL": "archive:8080/",
        "AWS_ACCESS_KEY_ID": "mine",
        "AWS_SECRET_ACCESS_KEY": "also mine",
        "AWS_REGION": "eu-north-1",
        "SWEEP_INTERVAL": "1",
    }
    env = environment_of(home, **given)
    assert given.items() <= env.items()
    assert "AWS_DEFAULT_REGION" not in env


def test_an_empty_variable_counts_as_not_set(home: Home) -> None:
    assert environment_of(home, VOLUME_PATH="")["VOLUME_PATH"] == str(home.volume)


@pytest.mark.parametrize("given", [{"MYSQL_HOST": "db"}, {"MYSQL_PORT": "tcp://db:3306"}])
def test_sqlite_is_for_where_there_is_no_mysql(home: Home, given: dict[str, str]) -> None:
    assert "SQLITE_PATH" not in environment_of(home, **given)


def test_stand_ins_are_started_only_for_what_is_not_elsewhere(home: Home) -> None:
    everywhere = want_of(home, AWS_ENDPOINT_URL="http://x", ARCHIVEI_PORT="tcp://archive:8080")
    assert services.stand_ins(everywhere, PORTS, {}, {}) == []
    queue_only = want_of(home, AWS_ENDPOINT_URL_S3="http://x", ARCHIVE_INTERFACE_URL="archive:8080/")
    assert [service.name for service in services.stand_ins(queue_only, PORTS, {}, {})] == ["queue"]


@pytest.mark.parametrize(("workers", "each"), [("1", "4"), ("2", "2"), ("4", "1"), ("9", "1")])
def test_workers_share_what_the_local_store_can_hold(home: Home, workers: str, each: str) -> None:
    assert environment_of(home, WORKERS=workers)["UPLOAD_CONCURRENCY"] == each
    assert environment_of(home, WORKERS=workers, UPLOAD_CONCURRENCY="7")["UPLOAD_CONCURRENCY"] == "7"
    assert "UPLOAD_CONCURRENCY" not in environment_of(home, WORKERS=workers, AWS_ENDPOINT_URL_S3="http://store:1")


def test_without_seaweedfs_moto_stands_in_for_s3_too(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "WEED", home.root / "missing")
    want = want_of(home, ARCHIVE_INTERFACE_URL="archive:8080/")
    assert services.port_names(want) == ["sqs"]
    ports = services.with_s3(want, {"sqs": 7})
    assert product_environment({}, want, ports)["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:7"


def test_the_store_is_on_the_loopback_alone_and_reports_to_nobody(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "WEED", Path(sys.executable))
    store = _named("store", home)
    assert {"-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false"} <= set(store.argv)
    assert "-master.port.grpc=11" in store.argv
    assert "-volume.port=12" in store.argv


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "http"), ("PORT", "0"), ("PORT", "65536"), ("WORKERS", "-1"), ("WORKERS", "0")]
)
def test_a_senseless_number_is_refused_by_name(home: Home, name: str, value: str) -> None:
    with pytest.raises(InTheWay, match=name):
        want_of(home, **{name: value})


def test_sample_files_are_made_once(home: Home) -> None:
    archive.prepare(home)
    (home.archive / "foo.txt").write_text("mine")
    (home.archive / "bar.csv").unlink()
    archive.prepare(home)
    assert (home.archive / "foo.txt").read_text() == "mine"
    assert (home.archive / "bar.csv").read_text() == archive.SAMPLES["bar.csv"]


def test_an_archive_python_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(InTheWay, match="ARCHIVE_PYTHON"):
        archive.command({"ARCHIVE_PYTHON": "/not/there"}, 1)


def test_what_a_killed_run_left_behind_is_ended(home: Home) -> None:
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={MARK: str(home.root)})
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={MARK: "/another/home"})
    try:
        assert end_leftovers(home.root) == 1
        left.wait(5)
        assert other.poll() is None
    finally:
        for process in (left, other):
            process.kill()
            process.wait()


def _named(name: str, home: Home) -> Service:
    want = want_of(home, ARCHIVE_INTERFACE_URL="archive:8080/")
    return next(service for service in services.stand_ins(want, PORTS, {}, {}) if service.name == name)
