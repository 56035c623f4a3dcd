"""backup.sh and restore.sh when something goes wrong. A script stands in for `docker compose`."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DUMP = "INSERT INTO carts VALUES (1);\n-- Dump completed on 2026-11-27\n"
#: Notes its arguments and the SQL of its stdin. It dumps the file `dump`; the site has as many carts as `carts` says.
COMPOSE = """#!/bin/sh
here=$(dirname "$0")
echo "$*" >>"$here/calls"
case "$*" in
*mariadb-dump*) exec cat "$here/dump" ;;
*"exec -T database"*) sql=$(cat); echo "$sql" >>"$here/calls" ;;
esac
case "$sql" in *COUNT*) exec cat "$here/carts" ;; esac
"""


class Site:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.backups = folder / "site" / "backups"
        (folder / "env").write_text(f'AUTH=token\nSITE="{folder}/site"\n')
        (folder / "compose").write_text(COMPOSE)
        (folder / "compose").chmod(0o755)
        (folder / "dump").write_text(DUMP)

    def run(self, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environ = {
            "PATH": "/usr/bin:/bin",
            "COMPOSE": str(self.folder / "compose"),
            "ENV_FILE": str(self.folder / "env"),
        }
        command = ["sh", str(ROOT / "infra" / "compose" / script)]
        return subprocess.run(command, env=environ | variables, capture_output=True, text=True, timeout=60)

    def calls(self) -> str:
        file = self.folder / "calls"
        return file.read_text() if file.exists() else ""

    def restore(self, **variables: str) -> subprocess.CompletedProcess[str]:
        """Restore a whole backup."""
        backup = self.folder / "backup"
        backup.mkdir(exist_ok=True)
        content = gzip.compress(DUMP.encode())
        (backup / "database.sql.gz").write_bytes(content)
        (backup / "SHA256SUMS").write_text(f"{hashlib.sha256(content).hexdigest()}  database.sql.gz\n")
        return self.run("restore.sh", FROM=str(backup), **variables)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_backup_is_closed_to_others_and_in_the_folder_that_env_names(site: Site) -> None:
    folder = Path(site.run("backup.sh").stdout.strip())
    assert folder.parent == site.backups
    assert gzip.decompress((folder / "database.sql.gz").read_bytes()).decode() == DUMP
    assert folder.stat().st_mode & 0o77 == 0
    assert all(file.stat().st_mode & 0o77 == 0 for file in folder.iterdir())


def test_a_dump_that_was_cut_off_fails_and_leaves_nothing(site: Site) -> None:
    (site.folder / "dump").write_text(DUMP[:-20])
    assert site.run("backup.sh").returncode != 0
    assert [file for file in site.backups.iterdir() if file.is_dir()] == []


def test_what_a_killed_backup_left_is_removed_by_the_next(site: Site) -> None:
    left = site.backups / "20261127T000000Z.part"
    left.mkdir(parents=True)
    (left / "bundles.tar").write_bytes(bytes(1000))
    assert site.run("backup.sh").returncode == 0
    assert not left.exists()


def test_two_backups_do_not_run_at_once(site: Site) -> None:
    site.backups.mkdir(parents=True)
    with (site.backups / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another backup" in site.run("backup.sh").stderr
    assert "mariadb-dump" not in site.calls()


def test_a_restore_changes_nothing_when_the_database_does_not_answer(site: Site) -> None:
    done = site.restore()  # there is no file `carts`, so the count fails
    assert done.returncode != 0
    assert "nothing was changed" in done.stderr
    assert "DROP" not in site.calls()
    assert "stop" not in site.calls()


def test_a_site_with_carts_is_replaced_only_when_asked(site: Site) -> None:
    (site.folder / "carts").write_text("3\n")
    assert "This site has 3 carts" in site.restore().stderr
    assert "DROP" not in site.calls()
    assert site.restore(REPLACE="1").returncode == 0
    assert DUMP in site.calls()
    assert site.calls().endswith("start api workers sweep\n")


def test_a_changed_backup_is_not_restored(site: Site) -> None:
    (site.folder / "carts").write_text("0\n")
    assert site.restore().returncode == 0
    (site.folder / "calls").unlink()
    dump = site.folder / "backup" / "database.sql.gz"
    dump.write_bytes(dump.read_bytes()[:-9])
    assert site.run("restore.sh", FROM=str(dump.parent)).returncode != 0
    assert site.calls() == ""
