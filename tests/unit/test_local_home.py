"""The local system's CART_HOME, the environment of its processes, and their command lines."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local import archive, services
from infra.local.environment import LocalConfig, product_environment, read_config
from infra.local.home import CannotStart, Home
from infra.local.orphans import MARK, end_orphans
from infra.local.ports import PORT_RANGE, keep_ports
from infra.local.process import Service

PORTS = {"s3": 1, "sqs": 2, "archive": 3} | {f"weed-{name}": 10 + n for n, name in enumerate(services.WEED_PORTS)}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    created = Home(tmp_path)
    created.create()
    return created


def config_of(home: Home, **environ: str) -> LocalConfig:
    return read_config({"CART_HOME": str(home.root), **environ})


def environment_of(home: Home, **environ: str) -> dict[str, str]:
    return product_environment(environ, config_of(home, **environ), PORTS)


def test_ports_stay_the_same_from_run_to_run(tmp_path: Path) -> None:
    lost: list[str] = []
    names = ["s3", "sqs", "archive"]
    first = keep_ports(tmp_path / "ports", names, on_taken=lambda name, port: lost.append(name))
    assert keep_ports(tmp_path / "ports", names, on_taken=lambda name, port: lost.append(name)) == first
    assert len(set(first.values())) == 3
    assert all(port in PORT_RANGE for port in first.values())
    assert lost == []


def test_a_taken_port_is_replaced_and_reported(tmp_path: Path) -> None:
    lost: list[tuple[str, int]] = []
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        (tmp_path / "ports").write_text(json.dumps({"s3": port}))
        chosen = keep_ports(tmp_path / "ports", ["s3"], on_taken=lambda name, port: lost.append((name, port)))
    assert chosen["s3"] != port
    assert lost == [("s3", port)]


def test_a_home_is_locked_by_one_process_at_a_time(home: Home) -> None:
    with home.lock(8081):
        assert home.lock_owner()["port"] == 8081
        with pytest.raises(CannotStart, match=r"in use by a running system: process \d+, port 8081"):
            home.lock(8082)
    assert home.lock_owner() == {}
    home.lock(8082).close()


def test_the_access_key_is_created_once_and_readable_only_by_its_owner(home: Home) -> None:
    key, secret = home.keys()
    assert (key, secret) == home.keys()
    assert len(secret) >= 30
    assert stat.S_IMODE((home.root / "keys.json").stat().st_mode) == 0o600


def test_a_home_is_private_also_one_that_an_earlier_release_made(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    old = [home.root, home.log, home.store, home.volume]
    for folder in old:
        folder.mkdir(mode=0o755, exist_ok=True)
    (home.root / "cart.db-wal").touch(mode=0o644)
    (home.root / "keys.json").touch(mode=0o644)
    (home.root / "mine").touch(mode=0o644)
    home.create()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.root.iterdir()}
    assert modes.pop("mine") == 0o644
    assert {modes.pop("cart.db-wal"), modes.pop("keys.json")} == {0o600}
    assert set(modes.values()) == {0o700}
    new = Home(tmp_path / "new")
    new.create()
    assert stat.S_IMODE(new.root.stat().st_mode) == 0o700


def test_the_product_uses_the_stand_ins_and_the_homes_folders(home: Home) -> None:
    env = environment_of(home)
    assert env["VOLUME_PATH"] == str(home.volume)
    assert env["SQLITE_PATH"] == str(home.database)
    assert env["ARCHIVE_INTERFACE_URL"] == "http://127.0.0.1:3/"
    assert env["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:1"
    assert env["AWS_ENDPOINT_URL_SQS"] == "http://127.0.0.1:2"
    assert env["PORT"] == "8081"
    assert (env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]) == home.keys()


def test_the_callers_variables_take_precedence(home: Home) -> None:
    environ = {
        "VOLUME_PATH": "/elsewhere",
        "SQLITE_PATH": "/elsewhere.db",
        "ARCHIVE_INTERFACE_URL": "archive:8080/",
        "AWS_ACCESS_KEY_ID": "mine",
        "AWS_SECRET_ACCESS_KEY": "also mine",
        "AWS_REGION": "eu-north-1",
        "SWEEP_INTERVAL": "1",
    }
    env = environment_of(home, **environ)
    assert environ.items() <= env.items()
    assert "AWS_DEFAULT_REGION" not in env


def test_an_empty_variable_counts_as_not_set(home: Home) -> None:
    assert environment_of(home, VOLUME_PATH="")["VOLUME_PATH"] == str(home.volume)


@pytest.mark.parametrize("mysql", [{"MYSQL_HOST": "db"}, {"MYSQL_PORT": "tcp://db:3306"}])
def test_sqlite_is_used_only_without_mysql(home: Home, mysql: dict[str, str]) -> None:
    assert "SQLITE_PATH" not in environment_of(home, **mysql)


def test_no_stand_in_is_started_for_an_external_service(home: Home) -> None:
    everywhere = config_of(home, AWS_ENDPOINT_URL="http://x", ARCHIVEI_PORT="tcp://archive:8080")
    assert services.stand_ins(everywhere, PORTS, {}, {}) == []
    queue_only = config_of(home, AWS_ENDPOINT_URL_S3="http://x", ARCHIVE_INTERFACE_URL="archive:8080/")
    assert [service.name for service in services.stand_ins(queue_only, PORTS, {}, {})] == ["queue"]


@pytest.mark.parametrize(("workers", "each"), [("1", "4"), ("2", "2"), ("4", "1"), ("9", "1")])
def test_workers_share_the_concurrent_uploads_of_the_local_store(home: Home, workers: str, each: str) -> None:
    assert environment_of(home, WORKERS=workers)["UPLOAD_CONCURRENCY"] == each
    assert environment_of(home, WORKERS=workers, UPLOAD_CONCURRENCY="7")["UPLOAD_CONCURRENCY"] == "7"
    assert "UPLOAD_CONCURRENCY" not in environment_of(home, WORKERS=workers, AWS_ENDPOINT_URL_S3="http://store:1")


def test_without_seaweedfs_moto_stands_in_for_s3_too(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "WEED", home.root / "missing")
    config = config_of(home, ARCHIVE_INTERFACE_URL="archive:8080/")
    assert services.port_names(config) == ["sqs"]
    ports = services.with_s3(config, {"sqs": 7})
    assert product_environment({}, config, ports)["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:7"


def test_the_store_listens_on_loopback_only_and_sends_no_telemetry(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "WEED", Path(sys.executable))
    store = _named("store", home)
    assert {"-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false"} <= set(store.argv)
    assert "-master.port.grpc=11" in store.argv
    assert "-volume.port=12" in store.argv


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "http"), ("PORT", "0"), ("PORT", "65536"), ("WORKERS", "-1"), ("WORKERS", "0")]
)
def test_an_invalid_number_is_rejected_by_name(home: Home, name: str, value: str) -> None:
    with pytest.raises(CannotStart, match=name):
        config_of(home, **{name: value})


def test_existing_sample_files_are_not_overwritten(home: Home) -> None:
    archive.prepare(home)
    (home.archive / "foo.txt").write_text("mine")
    (home.archive / "bar.csv").unlink()
    archive.prepare(home)
    assert (home.archive / "foo.txt").read_text() == "mine"
    assert (home.archive / "bar.csv").read_text() == archive.SAMPLES["bar.csv"]


def test_a_missing_archive_python_is_rejected_by_name() -> None:
    with pytest.raises(CannotStart, match="ARCHIVE_PYTHON"):
        archive.command({"ARCHIVE_PYTHON": "/not/there"}, 1)


def test_only_the_orphans_of_this_home_are_ended(home: Home) -> None:
    orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={MARK: str(home.root)})
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={MARK: "/another/home"})
    try:
        assert end_orphans(home.root) == 1
        orphan.wait(5)
        assert other.poll() is None
    finally:
        for process in (orphan, other):
            process.kill()
            process.wait()


def _named(name: str, home: Home) -> Service:
    config = config_of(home, ARCHIVE_INTERFACE_URL="archive:8080/")
    return next(service for service in services.stand_ins(config, PORTS, {}, {}) if service.name == name)
